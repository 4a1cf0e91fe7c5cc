//! What several rings order.

use std::sync::Arc;

use model::assignment::Assignment;
use model::spec::{JobSpec, Program};
use model::{AttemptId, Bytes, Fence, MilliCpus, Resources};

/// An order of alice's to run a script.
pub(crate) fn order(attempt: AttemptId, fence: Fence, script: &str) -> Assignment {
    let spec = JobSpec {
        program: Program::Script {
            text: script.into(),
            args: Vec::new(),
        },
        name: "job".into(),
        resources: Resources {
            cpu: MilliCpus(1_000),
            memory: Bytes::mebi(64),
        },
        ..JobSpec::default()
    };
    Assignment {
        attempt,
        fence,
        owner: "alice".into(),
        ids: None,
        spec: Arc::new(spec),
        mounts: Vec::new(),
        exclusive: false,
    }
}
