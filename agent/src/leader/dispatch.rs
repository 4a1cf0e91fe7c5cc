//! Dispatching: each agent is sent the difference between what the state assigns to its node and
//! what the agent is known to have. Only committed assignments are ever sent.

use model::log::Log;
use tokio::time::{Instant, sleep};

use super::Duty;

/// So many times as long as a pass took the next one waits: with very many attempts on the nodes
/// passes would otherwise take a whole processor, as fast as the state moves.
const REST: u32 = 2;

pub(super) async fn run(duty: Duty) {
    let mut changes = duty.sessions.changes();
    loop {
        changes.borrow_and_update();
        let began = Instant::now();
        let index = duty.raft.applied();
        for session in duty.sessions.all() {
            if duty.sessions.is_barred(session.node) {
                continue;
            }
            session.dispatch(duty.term, || duty.raft.read());
        }
        sleep(began.elapsed() * REST).await;
        tokio::select! {
            _ = duty.raft.moved_past(index) => {}
            changed = changes.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
