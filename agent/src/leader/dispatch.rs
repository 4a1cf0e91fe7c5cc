//! Dispatching: each agent is sent the difference between what the state assigns to its node and
//! what the agent is known to have. Only committed assignments are ever sent.

use model::log::Log;
use net::message::Order;

use super::Duty;
use crate::sessions::Session;

/// Assignments or stops in one message.
const ORDERS_IN_MESSAGE: usize = 64;

pub(super) async fn run(duty: Duty) {
    let mut changes = duty.sessions.changes();
    loop {
        changes.borrow_and_update();
        let index = duty.raft.applied();
        let state = duty.raft.read();
        for session in duty.sessions.all() {
            dispatch(&duty, &state, &session);
        }
        drop(state);
        tokio::select! {
            _ = duty.raft.moved_past(index) => {}
            changed = changes.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

fn dispatch(duty: &Duty, state: &model::State, session: &Session) {
    // Until the agent has said what it has, it is told nothing.
    let Some((held, stopping)) = session.held(duty.term) else {
        return;
    };
    let mut wanted = scheduler::assignment::diff(state, session.node, &held);
    wanted.stop.retain(|stop| {
        let held = model::assignment::Held {
            attempt: stop.attempt,
            fence: stop.fence,
        };
        !stopping.contains(&held)
    });
    for chunk in wanted.assign.chunks(ORDERS_IN_MESSAGE) {
        if !session.order(duty.term, Order::Assign(chunk.to_vec())) {
            return;
        }
    }
    for chunk in wanted.stop.chunks(ORDERS_IN_MESSAGE) {
        if !session.order(duty.term, Order::Stop(chunk.to_vec())) {
            return;
        }
    }
}
