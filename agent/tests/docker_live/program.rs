//! What is run: scripts with and without an interpreter line, argument vectors, the environment.

use agent::runtime::{Runtime, RuntimeError};
use model::spec::Program;

use crate::bench::{Bench, argv, assignment, docker, program, run, script, socket, text};

#[tokio::test]
async fn arguments_arrive_byte_for_byte() {
    let bench = Bench::new().await;
    let words = ["a b", "", "$HOME", "'\"\\", "*", "-n", "naïve\n2nd"];
    let expected: String = words.iter().map(|word| format!("<{word}>")).collect();
    let args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();

    let place = bench.place(1, 10);
    let source = "for a in \"$@\"; do printf '<%s>' \"$a\"; done";
    bench
        .run(
            &place,
            program(Program::Script {
                text: source.into(),
                args: args.clone(),
            }),
        )
        .await;
    assert_eq!(text(&place.stdout()), expected);

    let place = bench.place(2, 10);
    let mut vector = vec!["printf".to_owned(), "<%s>".to_owned()];
    vector.extend(args);
    bench.run(&place, program(Program::Argv(vector))).await;
    assert_eq!(text(&place.stdout()), expected);
}

#[tokio::test]
async fn a_script_chooses_its_interpreter() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    bench
        .run(&place, script("#!/bin/awk -f\nBEGIN { print 6 * 7 }\n"))
        .await;
    assert_eq!(text(&place.stdout()), "42\n");
}

#[tokio::test]
async fn nothing_given_runs_the_images_own_command() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let ended = bench.run(&place, argv(&[])).await;
    assert_eq!(ended.code, Some(0), "a shell without input ends well");
}

#[tokio::test]
async fn an_entry_point_gets_the_argument_vector_and_gives_way_to_a_script() {
    let bench = Bench::new().await;
    let image = format!("godocker/entry-{}:1", bench.config.cluster);
    let container = format!("entry-{}", bench.config.cluster);
    run(docker(socket()).args(["create", "--name", &container, crate::bench::IMAGE]));
    let entry = [
        "commit",
        "--change",
        "ENTRYPOINT [\"echo\", \"entry\"]",
        &container,
        &image,
    ];
    run(docker(socket()).args(entry));
    run(docker(socket()).args(["rm", &container]));
    let mut outputs = Vec::new();
    for (job, mut spec) in (1..).zip([argv(&["x"]), script("echo script")]) {
        spec.image.clone_from(&image);
        let place = bench.place(job, 10);
        bench.run(&place, spec).await;
        outputs.push(text(&place.stdout()));
        bench.runtime.remove(&place).await.unwrap();
    }
    run(docker(socket()).args(["rmi", &image]));
    assert_eq!(outputs, ["entry x\n", "script\n"]);
}

#[tokio::test]
async fn the_environment_is_the_users_and_ours() {
    let bench = Bench::new().await;
    let place = bench.place(12, 10);
    let mut spec = script("env");
    spec.env = vec![("A".into(), "first".into()), ("B".into(), "x=y z".into())];
    spec.resources.cpu = model::MilliCpus(1500);
    bench.run(&place, spec).await;
    let said = text(&place.stdout());
    for line in [
        "A=first",
        "B=x=y z",
        "GODOCKER_JID=12",
        "GODOCKER_PWD=/mnt/go-docker",
        "GODOCKER_HOME=/mnt/go-docker",
        "GO_JOB_ID=12",
        "GO_TASK_ID=0",
        "GO_ATTEMPT=1",
        "GO_CPUS=1.5",
        "GO_MEMORY=67108864",
        "GO_JOBDIR=/mnt/go-docker",
    ] {
        assert!(
            said.lines().any(|said| said == line),
            "{line} is not in {said}"
        );
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_told_from_one_that_ends_so() {
    let bench = Bench::new().await;
    let cases = [
        (argv(&["/no/such/program"]), 127),
        (argv(&["no-such-program"]), 127),
        (argv(&["/etc/passwd"]), 126),
        (script("#!/no/such/interpreter\n"), 127),
    ];
    for (job, (spec, expected)) in (1..).zip(cases) {
        let place = bench.place(job, 10);
        bench
            .runtime
            .prepare(&assignment(&place, spec), &place)
            .await
            .unwrap();
        match bench.runtime.start(&place).await {
            Err(RuntimeError::CannotStart { code, why }) => assert_eq!(code, expected, "{why}"),
            other => panic!("case {job}: expected {expected}, got {other:?}"),
        }
    }
    for (job, wanted) in [(10, 126), (11, 127)] {
        let place = bench.place(job, 10);
        bench
            .launch(&place, script(&format!("exit {wanted}")))
            .await
            .unwrap();
    }
}
