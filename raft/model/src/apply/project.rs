//! Projects, their members, queues, and bounds of users.

use alloc::format;

use super::{Writer, clip, invalid, limit, not_found, reject, reply};
use crate::account::{Role, UserName};
use crate::change::RecordKey;
use crate::command::{Membership, PutMember, Rejection, Reply, SetQuota};
use crate::limits;
use crate::project::{DEFAULT, Grant, Project, Queue};
use crate::quota::Holder;
use crate::spec::is_plain_name;

impl Writer<'_> {
    pub(super) fn put_project(&mut self, project: Project) -> Reply {
        reply(self.try_put_project(project))
    }

    fn try_put_project(&mut self, project: Project) -> Result<Reply, Rejection> {
        self.check_name(&project.name)?;
        if project.priority > limits::PRIORITY_MAX {
            let message = format!("0 to {}", limits::PRIORITY_MAX);
            return Ok(invalid("priority", message));
        }
        let people = project.members.iter().chain(&project.managers);
        if let Some(unknown) = people.clone().find(|user| !self.knows(user)) {
            return Err(not_found("user", unknown));
        }
        if people.count() > limits::MEMBERS_MAX {
            return Ok(limit("members of a project", limits::MEMBERS_MAX));
        }
        let known = self.state.projects.get(&project.name);
        if known.is_none() && self.state.projects.size() >= limits::PROJECTS_MAX {
            return Ok(limit("projects", limits::PROJECTS_MAX));
        }
        let created_at = known.map_or(self.now(), |project| project.created_at);
        self.keep_project(Project {
            description: clip(project.description.clone()),
            created_at,
            ..project
        });
        Ok(Reply::Done)
    }

    fn keep_project(&mut self, project: Project) {
        self.touch(RecordKey::Project(project.name.clone()));
        self.state
            .projects
            .insert_mut(project.name.clone(), project);
    }

    pub(super) fn remove_project(&mut self, name: &str) -> Reply {
        if !self.state.projects.contains_key(name) {
            return reject(not_found("project", name));
        }
        if self.state.charged.contains_key(name) {
            let what = format!("project {name} has live jobs");
            return reject(Rejection::Conflict { what });
        }
        self.state.projects.remove_mut(name);
        self.touch(RecordKey::Project(name.into()));
        self.forget_spent(Holder::Project(name.into()));
        self.forget_secrets(&Holder::Project(name.into()));
        Reply::Done
    }

    pub(super) fn put_member(&mut self, put: &PutMember) -> Reply {
        reply(self.try_put_member(put))
    }

    fn try_put_member(&mut self, put: &PutMember) -> Result<Reply, Rejection> {
        let by = self.user(&put.by)?;
        let admin = by.role >= Role::Admin;
        let known = self.state.project(&put.project);
        // Whoever has nothing to do with a project does not learn that it exists.
        let seen = known.filter(|project| admin || project.has(&put.by));
        let project = seen.ok_or_else(|| not_found("project", &put.project))?;
        if !admin && !project.managers.contains(&put.by) {
            let what = format!("{} does not manage project {}", put.by, put.project);
            return Err(Rejection::Forbidden { what });
        }
        if !self.knows(&put.user) {
            return Err(not_found("user", &put.user));
        }
        let mut project = project.clone();
        project.members.remove(&put.user);
        project.managers.remove(&put.user);
        match put.membership {
            Membership::None => {}
            Membership::Member => {
                project.members.insert(put.user.clone());
            }
            Membership::Manager => {
                project.managers.insert(put.user.clone());
            }
        }
        if project.members.len() + project.managers.len() > limits::MEMBERS_MAX {
            return Ok(limit("members of a project", limits::MEMBERS_MAX));
        }
        self.keep_project(project);
        Ok(Reply::Done)
    }

    pub(super) fn put_queue(&mut self, queue: Queue) -> Reply {
        reply(self.try_put_queue(queue))
    }

    fn try_put_queue(&mut self, queue: Queue) -> Result<Reply, Rejection> {
        self.check_name(&queue.name)?;
        self.check_grant(&queue.who)?;
        let limits = [queue.wall_max, queue.wall_default];
        let wrong = |length: &crate::Millis| length.0 == 0 || *length > limits::WALL_LIMIT_MAX;
        if limits.iter().flatten().any(wrong) {
            let days = limits::WALL_LIMIT_MAX.0 / 86_400_000;
            let message = format!("more than 0, at most {days} days");
            return Ok(invalid("wall_max, wall_default", message));
        }
        let beyond = |usual| queue.wall_max.is_some_and(|most| usual > most);
        if queue.wall_default.is_some_and(beyond) {
            return Ok(invalid("wall_default", "at most wall_max"));
        }
        let known = self.state.queues.contains_key(&queue.name);
        if !known && self.state.queues.size() >= limits::QUEUES_MAX {
            return Ok(limit("queues", limits::QUEUES_MAX));
        }
        self.touch(RecordKey::Queue(queue.name.clone()));
        self.state.queues.insert_mut(
            queue.name.clone(),
            Queue {
                description: clip(queue.description.clone()),
                ..queue
            },
        );
        Ok(Reply::Done)
    }

    pub(super) fn remove_queue(&mut self, name: &str) -> Reply {
        if !self.state.queues.contains_key(name) {
            return reject(not_found("queue", name));
        }
        // The default one goes on, as it was before it was changed.
        if name != DEFAULT && self.state.jobs_in(name) > 0 {
            let what = format!("queue {name} has live jobs");
            return reject(Rejection::Conflict { what });
        }
        self.state.queues.remove_mut(name);
        self.touch(RecordKey::Queue(name.into()));
        Reply::Done
    }

    pub(super) fn set_quota(&mut self, set: &SetQuota) -> Reply {
        let Some(mut user) = self.state.users.get(&set.user).cloned() else {
            return reject(not_found("user", &set.user));
        };
        user.quota = set.quota;
        self.state.users.insert_mut(set.user.clone(), user);
        self.touch(RecordKey::User(set.user.clone()));
        Reply::Done
    }

    pub(super) fn reset_spent(&mut self, holder: Holder) -> Reply {
        let known = match &holder {
            Holder::User(name) => self.knows(name),
            Holder::Project(name) => self.state.project(name).is_some(),
        };
        if !known {
            return reject(Rejection::NotFound {
                what: format!("{holder}"),
            });
        }
        self.forget_spent(holder);
        Reply::Done
    }

    fn forget_spent(&mut self, holder: Holder) {
        if self.state.spent.remove_mut(&holder) {
            self.touch(RecordKey::Spent(holder));
        }
    }

    fn knows(&self, user: &UserName) -> bool {
        self.state.users.contains_key(user)
    }

    pub(super) fn check_name(&self, name: &str) -> Result<(), Rejection> {
        if is_plain_name(name) {
            return Ok(());
        }
        Err(Rejection::Invalid {
            field: "name".into(),
            message: "letters, digits, `.`, `_` and `-`, at most 128 bytes".into(),
        })
    }

    /// Who is named in a grant exists, and there are not too many.
    pub(super) fn check_grant(&self, grant: &Grant) -> Result<(), Rejection> {
        if grant.users.len() + grant.projects.len() > limits::GRANTED_MAX {
            return Err(Rejection::Limit {
                name: "users and projects in one list".into(),
                limit: limits::GRANTED_MAX as u64,
            });
        }
        if let Some(unknown) = grant.users.iter().find(|user| !self.knows(user)) {
            return Err(not_found("user", unknown));
        }
        let mut projects = grant.projects.iter();
        match projects.find(|name| self.state.project(name).is_none()) {
            Some(unknown) => Err(not_found("project", unknown)),
            None => Ok(()),
        }
    }
}
