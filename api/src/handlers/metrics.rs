//! The figures of this head for Prometheus.

use axum::extract::State;
use axum::http::{HeaderName, header};

use crate::app::App;
use crate::metrics;
use crate::problem::Refused;

/// The figures of this head, as Prometheus reads them. For operators.
///
/// Also at `/metrics`, where Prometheus looks by itself. Each head has its own: ask all of them.
#[utoipa::path(
    get, path = "/metrics", tag = "cluster",
    responses((status = 200, body = String, content_type = "text/plain; version=0.0.4")),
)]
pub(crate) async fn read_metrics(
    State(app): State<App>,
) -> Result<([(HeaderName, &'static str); 1], String), Refused> {
    // With many jobs on many nodes this is a walk that others should not wait for.
    let text = tokio::task::spawn_blocking(move || metrics::text(metrics::gather(&app))).await;
    let text = text.map_err(|_| Refused::internal("the figures could not be gathered"))?;
    let text = text.map_err(|_| Refused::internal("the figures could not be written"))?;
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text))
}
