//! Requests that were answered, counted by route and status.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use model::measure::Durations;

use super::{Family, Labels, Values};
use crate::app::App;
use prometheus_client::registry::Unit;

/// The route of requests that match none.
const NO_ROUTE: &str = "none";

/// Counters of one server. There are as many as routes, methods and statuses that are ours.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// By method, route and status.
    answers: BTreeMap<(&'static str, String, u16), u64>,
    /// By route.
    durations: BTreeMap<String, Durations>,
}

/// Middleware that counts whatever is answered behind it.
pub(crate) async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let status = response.status().as_u16();
    app.requests().count(method, route, status, began.elapsed());
    response
}

/// A method by one of a few words: clients may invent some.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

impl Requests {
    fn count(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (method, route.to_owned(), status);
        *counted.answers.entry(key).or_default() += 1;
        match counted.durations.get_mut(route) {
            Some(durations) => durations.add(took),
            None => counted.durations.entry(route.into()).or_default().add(took),
        }
    }

    pub(super) fn families(&self) -> [Family; 2] {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = counted
            .answers
            .iter()
            .map(|((method, route, status), count)| {
                let labels: Labels = vec![
                    ("method", (*method).into()),
                    ("route", route.clone()),
                    ("status", status.to_string()),
                ];
                (labels, *count)
            });
        let durations = counted.durations.iter();
        let durations = durations.map(|(route, took)| (vec![("route", route.clone())], *took));
        [
            Family {
                name: "api_requests",
                help: "Requests that this head has answered since it started.",
                unit: None,
                values: Values::Counter(answers.collect()),
            },
            Family {
                name: "api_request",
                help: "Time from a request to the head of its answer; \
                       routes that wait for news wait here, too.",
                unit: Some(Unit::Seconds),
                values: Values::Durations(durations.collect()),
            },
        ]
    }
}
