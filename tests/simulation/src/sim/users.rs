//! Users: they submit with idempotency keys, repeat themselves until they are answered (and
//! sometimes after), and end some of their jobs.

use anyhow::{Result, bail, ensure};
use model::account::UserName;
use model::command::{CancelJobs, SubmitJobs, SubmitKey};
use model::spec::{JobSpec, OnLost, Program};
use model::{Bytes, Command, JobId, MilliCpus, Millis, Reply, Resources};

use super::heads::Asker;
use super::{Event, World};

/// Live jobs up to which users submit more.
const LIVE_MAX: usize = 12;

/// What all users asked for.
#[derive(Default)]
pub(super) struct Users {
    requests: Vec<Request>,
    /// Requests before this one are settled.
    settled: usize,
}

struct Request {
    submit: SubmitJobs,
    told: Option<JobId>,
    /// The user wants its end, until that is acknowledged.
    unwanted: bool,
}

impl World {
    pub(super) fn user(&mut self) -> Result<()> {
        self.soon(10, 120, Event::User);
        let live = self.log.state().live_jobs();
        if !self.calm && live < LIVE_MAX && self.chance.percent(40) {
            self.new_request();
        }
        let open = self.users.settled..self.users.requests.len();
        for number in open.clone() {
            if self.chance.percent(15) {
                self.insist(number);
            }
        }
        let request = |number: &usize| &self.users.requests[*number];
        let is_open = |number: &usize| request(number).told.is_none() || request(number).unwanted;
        self.users.settled = open.clone().find(is_open).unwrap_or(open.end);
        let old = self.chance.at(self.users.requests.len());
        if old < self.users.requests.len() && self.chance.percent(5) {
            self.meet("a user repeated an old request");
            self.submit(old);
        }
        Ok(())
    }

    fn new_request(&mut self) {
        let number = self.users.requests.len();
        let user = self.chance.one(["ada", "bob"]);
        let endless = self.chance.percent(10);
        let limited = self.chance.percent(30);
        let on_lost = self
            .chance
            .one([OnLost::Hold, OnLost::Requeue, OnLost::Requeue]);
        let spec = JobSpec {
            name: if endless { "endless" } else { "job" }.into(),
            image: "debian".into(),
            program: Program::Argv(vec!["true".into()]),
            resources: Resources {
                cpu: MilliCpus(self.chance.one([500, 1_000, 2_000, 4_000])),
                memory: Bytes::mebi(self.chance.one([64, 512, 1_024])),
            },
            wall_limit: limited.then_some(Millis(2_000)),
            grace: Millis(self.chance.one([0, 300, 1_500])),
            on_lost,
            ..JobSpec::default()
        };
        let key = SubmitKey {
            key: format!("key{number}"),
            digest: [1; 32],
        };
        let submit = SubmitJobs {
            by: UserName::from(user),
            key: Some(key),
            specs: vec![spec],
        };
        let unwanted = (endless && !limited) || self.chance.percent(10);
        self.users.requests.push(Request {
            submit,
            told: None,
            unwanted,
        });
        self.submit(number);
    }

    /// Asks again for what is not answered.
    fn insist(&mut self, number: usize) {
        match self.users.requests[number].told {
            None => self.submit(number),
            Some(job) if self.users.requests[number].unwanted => {
                let by = self.users.requests[number].submit.by.clone();
                let command = Command::CancelJobs(CancelJobs {
                    jobs: vec![job],
                    by,
                    reason: String::new(),
                    grace: None,
                });
                self.call(&command, Asker::Cancel(number));
            }
            Some(_) => {}
        }
    }

    fn submit(&mut self, number: usize) {
        let command = Command::SubmitJobs(self.users.requests[number].submit.clone());
        self.call(&command, Asker::Submit(number));
    }

    /// Calls any head; it hands the command to the leader that it knows, if it reaches it.
    pub(super) fn call(&mut self, command: &Command, asker: Asker) {
        let door = self.chance.at(self.heads.len());
        if !self.heads[door].up {
            return;
        }
        let leads = |head: &usize| self.heads[*head].up && self.heads[*head].leads.is_some();
        let reached = (0..self.heads.len())
            .filter(leads)
            .find(|head| self.connected(door, *head));
        let leader = reached.and_then(|head| Some((head, self.heads[head].leads?)));
        if let Some((head, term)) = leader {
            self.propose(head, term, command, asker);
        }
    }

    pub(super) fn submit_answered(&mut self, number: usize, reply: Option<Reply>) -> Result<()> {
        let Some(reply) = reply else {
            self.meet("a user was not told");
            return Ok(());
        };
        let Reply::Submitted { first, .. } = reply else {
            bail!("I1: request {number} is answered with {reply:?}");
        };
        let told = *self.users.requests[number].told.get_or_insert(first);
        ensure!(
            told == first,
            "I2: request {number} is job {told}, and job {first}"
        );
        let exists = self.log.state().has_existed(first);
        ensure!(
            exists,
            "I1: job {first} was acknowledged, and is not in the log"
        );
        Ok(())
    }

    pub(super) fn cancel_answered(&mut self, number: usize, reply: Option<&Reply>) {
        if let Some(Reply::Cancelled(_)) = reply {
            self.meet("a job was cancelled");
            self.users.requests[number].unwanted = false;
        }
    }

    /// Whether everybody was answered, every job has ended, and no node has anything left.
    pub(super) fn is_over(&self) -> bool {
        let answered = |request: &Request| request.told.is_some() && !request.unwanted;
        self.users.requests.iter().all(answered)
            && self.log.state().live_jobs() == 0
            && self.agents.iter().all(super::Agent::is_idle)
    }

    /// What is not over, for people.
    pub(super) fn rest(&self) -> String {
        let jobs: Vec<_> = self
            .log
            .state()
            .jobs()
            .map(|job| (job.id, &job.task))
            .collect();
        let open = |request: &&Request| request.told.is_none() || request.unwanted;
        let open = self.users.requests.iter().filter(open).count();
        let agents: Vec<String> = self.agents.iter().map(super::Agent::rest).collect();
        let nodes: Vec<_> = self
            .log
            .state()
            .nodes()
            .map(|n| (n.id, n.health, &n.drain))
            .collect();
        format!("jobs {jobs:?}\n{open} requests\nagents {agents:#?}\nnodes {nodes:?}")
    }

    /// Everything that was acknowledged is among what has ended, once.
    pub(super) fn check_ledger(&self) -> Result<()> {
        for (number, request) in self.users.requests.iter().enumerate() {
            let ended = &self.log.replica.ended;
            let count = ended
                .iter()
                .filter(|job| Some(job.id) == request.told)
                .count();
            ensure!(
                count == 1,
                "I1: request {number}, job {:?}, ended {count} times",
                request.told
            );
        }
        let (asked, ended) = (self.users.requests.len(), self.log.replica.ended.len());
        ensure!(asked == ended, "I2: {asked} requests became {ended} jobs");
        Ok(())
    }
}
