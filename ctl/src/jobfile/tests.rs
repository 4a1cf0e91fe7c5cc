//! What words and scripts become.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use api_types::job_request::{OnLost, PullPolicy, VolumeUse};

use super::*;

fn script(text: &str) -> Program {
    Program::Script {
        origin: "job.sh".into(),
        name: Some("job".into()),
        text: text.into(),
        args: vec!["a b".into()],
    }
}

fn compiled(program: Program, typed: JobOptions) -> JobRequest {
    let variables = [("HOME".to_owned(), "/home/ada".to_owned())].into();
    let environment = Environment {
        variables,
        ..Environment::default()
    };
    compile(program, typed, true, &environment).unwrap()
}

#[test]
fn directives_become_a_request() {
    let text = "#!/bin/bash\n#GO --name align -i bwa:1 --cpu 0.5 --mem 2G --time 1h30m\n\n\
        # a remark\n#GO -v genomes:ro -v home -e A=1 --env HOME --tag x --tag y --pull never\n\
        #GO --on-lost requeue --grace 5s\necho\n#GO --cpu 64\n";
    let request = compiled(script(text), JobOptions::default());
    let expected = JobRequest {
        name: Some("align".into()),
        tags: vec!["x".into(), "y".into()],
        image: Some("bwa:1".into()),
        pull: Some(PullPolicy::Never),
        script: Some(text.into()),
        args: vec!["a b".into()],
        env: [
            ("A".into(), "1".into()),
            ("HOME".into(), "/home/ada".into()),
        ]
        .into(),
        cpu: Some(0.5),
        memory_bytes: Some(2 << 30),
        wall_limit_seconds: Some(5_400),
        grace_seconds: Some(5),
        on_lost: Some(OnLost::Requeue),
        volumes: vec![
            VolumeUse {
                name: "genomes".into(),
                read_only: true,
                sub_path: String::new(),
            },
            VolumeUse {
                name: "home".into(),
                read_only: false,
                sub_path: String::new(),
            },
        ],
        ..JobRequest::default()
    };
    assert_eq!(request, expected);
}

#[test]
fn what_was_typed_stands_over_directives_and_later_lines_over_earlier_ones() {
    let text = "#GO --cpu 1 --mem 1G -e A=1 -e B=1 -v data\n#GO --mem 2G\n";
    let typed = JobOptions {
        cpu: Some(8.0),
        env: vec![("B".into(), Some("2".into()))],
        volume: vec![VolumeUse {
            name: "data".into(),
            read_only: true,
            sub_path: String::new(),
        }],
        ..JobOptions::default()
    };
    let request = compiled(script(text), typed);
    assert_eq!(
        (request.cpu, request.memory_bytes),
        (Some(8.0), Some(2 << 30))
    );
    assert_eq!(
        request.env,
        [("A".into(), "1".into()), ("B".into(), "2".into())].into()
    );
    assert_eq!(
        request.volumes,
        [VolumeUse {
            name: "data".into(),
            read_only: true,
            sub_path: String::new(),
        }]
    );
}

#[test]
fn the_name_of_the_file_is_the_name_of_the_job_unless_one_is_given() {
    assert_eq!(
        compiled(script("true\n"), JobOptions::default())
            .name
            .as_deref(),
        Some("job")
    );
    let typed = JobOptions {
        name: Some("other".into()),
        ..JobOptions::default()
    };
    assert_eq!(
        compiled(script("#GO --name third\n"), typed)
            .name
            .as_deref(),
        Some("other")
    );
}

#[test]
fn a_description_is_changed_only_where_something_was_typed() {
    let description = JobRequest {
        argv: vec!["true".into()],
        cpu: Some(2.0),
        memory_bytes: Some(7),
        ..JobRequest::default()
    };
    let typed = JobOptions {
        cpu: Some(4.0),
        ..JobOptions::default()
    };
    let request = compiled(Program::Description(Box::new(description.clone())), typed);
    assert_eq!(
        request,
        JobRequest {
            cpu: Some(4.0),
            ..description
        }
    );
}

#[test]
fn each_form_of_a_description_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let forms = [
        (
            "job.toml",
            "argv = [\"sort\"]\ncpu = 1.5\n[env]\nA = \"1\"\n",
        ),
        ("job.yaml", "argv: [sort]\ncpu: 1.5\nenv: {A: '1'}\n"),
        ("job.json", r#"{"argv":["sort"],"cpu":1.5,"env":{"A":"1"}}"#),
    ];
    for (name, text) in forms {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let work = Work {
            file: Some(path),
            ..Work::default()
        };
        let Program::Description(request) = read(&work, &mut std::io::empty()).unwrap() else {
            panic!("{name} is a description");
        };
        assert_eq!(
            (&request.argv[..], request.cpu),
            (&["sort".to_owned()][..], Some(1.5))
        );
        assert_eq!(request.env["A"], "1");
    }
}

#[test]
fn a_script_from_standard_input_has_no_name_and_takes_arguments() {
    let work = Work {
        script: Some("-".into()),
        args: vec!["x".into()],
        command: vec!["--y".into()],
        ..Work::default()
    };
    let program = read(&work, &mut "echo $1\n".as_bytes()).unwrap();
    let expected = Program::Script {
        origin: "standard input".into(),
        name: None,
        text: "echo $1\n".into(),
        args: vec!["x".into(), "--y".into()],
    };
    assert_eq!(program, expected);
}

#[test]
fn a_line_becomes_a_script() {
    let work = Work {
        wrap: Some("echo a | wc".into()),
        ..Work::default()
    };
    let Program::Script { text, name, .. } = read(&work, &mut std::io::empty()).unwrap() else {
        panic!("a script");
    };
    assert_eq!((text.as_str(), name), ("#!/bin/sh\necho a | wc\n", None));
}

#[test]
fn a_script_takes_the_entry_points_place() {
    let typed = JobOptions {
        entrypoint: Some(crate::parse::change::words("sh -c").unwrap()),
        ..JobOptions::default()
    };
    let environment = Environment::default();
    let ended = compile(script("true\n"), typed, true, &environment).unwrap_err();
    assert_eq!(ended.field.as_deref(), Some("--entrypoint"));
}

/// Of two secrets that want the same file the one that was typed has it.
#[test]
fn secrets_of_lines_and_words_come_together() {
    let text = "#!/bin/sh\n#GO --secret db --secret key=id\n";
    let one = |name: &str, file: &str| SecretUse {
        name: name.into(),
        file: file.into(),
    };
    let typed = JobOptions {
        secret: vec![one("other", "db")],
        ..JobOptions::default()
    };
    let request = compiled(script(text), typed);
    assert_eq!(request.secrets, [one("key", "id"), one("other", "db")]);
}
