//! Dispatching: each agent is sent the difference between what the state assigns to its node and
//! what the agent is known to have. Only committed assignments are ever sent.

use model::log::Log;

use super::Duty;

pub(super) async fn run(duty: Duty) {
    let mut changes = duty.sessions.changes();
    loop {
        changes.borrow_and_update();
        let index = duty.raft.applied();
        for session in duty.sessions.all() {
            if duty.sessions.is_barred(session.node) {
                continue;
            }
            session.dispatch(duty.term, || duty.raft.read());
        }
        tokio::select! {
            _ = duty.raft.moved_past(index) => {}
            changed = changes.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
