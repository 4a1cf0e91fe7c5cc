//! Commands about projects, queues, bounds, rules and secrets: some of them tight, so that jobs
//! wait for them, some loosened again.

use model::command::{Audited, Command, Membership, PutMember, RemoveSecret, SetQuota, Who};
use model::policy::{OverQuota, Rules};
use model::project::{Grant, Project, Queue};
use model::quota::{Holder, Quota};
use model::secret::{Secret, SecretKind};
use model::{Bytes, MilliCpus, Millis, Timestamp};

use super::Stream;

impl Stream {
    pub(super) fn about_projects(&mut self, _now: Timestamp) -> Command {
        let command = match self.chance.below(13) {
            0..3 => Command::PutProject(Project {
                name: self.chance.one(["lab", "closed", "default"]).into(),
                everybody: self.chance.percent(60),
                closed: self.chance.percent(20),
                members: (0..self.chance.below(2)).map(|_| self.user()).collect(),
                quota: self.quota(),
                ..Project::fallback()
            }),
            3 => Command::RemoveProject(self.chance.one(["lab", "closed", "default"]).into()),
            4 => Command::PutMember(PutMember {
                project: self.chance.one(["lab", "nowhere"]).into(),
                user: self.user(),
                membership: self.chance.one([Membership::Member, Membership::None]),
                by: self.user(),
            }),
            5 => Command::PutQueue(Queue {
                name: self.chance.one(["night", "default"]).into(),
                who: Grant::to_all(),
                accepts: self.chance.percent(85),
                starts: self.chance.percent(80),
                wall_default: self.chance.one([None, Some(Millis(500))]),
                running_per_user: self.chance.one([None, None, Some(1)]),
                pending_per_user: self.chance.one([None, None, Some(2)]),
                ..Queue::default()
            }),
            6 => Command::RemoveQueue(self.chance.one(["night", "default"]).into()),
            7 => {
                let (user, quota) = (self.user(), self.quota());
                let quota = self.chance.percent(70).then_some(quota);
                Command::SetQuota(SetQuota { user, quota })
            }
            8 => Command::SetRules(Rules {
                user_quota: self.quota(),
                window_days: self.chance.one([1, 2, 30]),
                over_quota: self.chance.one([OverQuota::Wait, OverQuota::End]),
                publish: match self.chance.percent(80) {
                    true => Grant::to_all(),
                    false => Grant::default(),
                },
                disk_max: self.chance.one([None, None, Some(Bytes(2 << 30))]),
                ..Rules::default()
            }),
            9 => Command::ResetSpent(self.holder()),
            10..12 => Command::PutSecret(Secret {
                owner: self.holder(),
                name: self.secret(),
                kind: self.secret_kind(),
                sealed: vec![1; self.chance.one([0, 8, 8, 8])],
                created_at: Timestamp(0),
                changed_at: Timestamp(0),
                changed_by: self.user(),
            }),
            _ => Command::RemoveSecret(RemoveSecret {
                owner: self.holder(),
                name: self.secret(),
                by: self.user(),
            }),
        };
        if self.chance.percent(80) {
            return command;
        }
        Command::Audited(Audited {
            who: Who::default(),
            what: "PUT /somewhere".into(),
            command: Box::new(command),
        })
    }

    pub(super) fn secret(&mut self) -> String {
        self.chance.one(["db", "key", "no name"]).into()
    }

    fn secret_kind(&mut self) -> SecretKind {
        if self.chance.percent(60) {
            return SecretKind::File;
        }
        let host = self
            .chance
            .one(["docker.io", "registry.lab:5000", "no host"]);
        SecretKind::Registry {
            host: host.into(),
            login: "ada".into(),
        }
    }

    pub(super) fn holder(&mut self) -> Holder {
        if self.chance.percent(50) {
            return Holder::User(self.user());
        }
        Holder::Project(self.chance.one(["lab", "default"]).into())
    }

    fn quota(&mut self) -> Quota {
        Quota {
            cpu: self.chance.one([None, None, Some(MilliCpus(1_500))]),
            memory: self.chance.one([None, None, Some(Bytes(3 << 30))]),
            running: self.chance.one([None, None, Some(1), Some(2)]),
            pending: self.chance.one([None, None, None, Some(2)]),
            cpu_time: self.chance.one([None, None, Some(2_000), Some(40_000)]),
            memory_time: self.chance.one([None, None, None, Some(4_000_000)]),
            disk: self
                .chance
                .one([None, None, Some(Bytes(1 << 30)), Some(Bytes(3 << 30))]),
        }
    }
}
