//! The description of the API that programs read. It is made from the routes themselves, so no
//! route can be missing from it; what all routes have in common is added here.

use api_types::problem::{MEDIA_TYPE, Problem};
use axum::http::StatusCode;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    PathItem, Ref, RefOr, Response, ResponseBuilder, Type,
};
use utoipa::{PartialSchema, ToSchema};

/// Who may use a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Whoever reaches the port.
    Anybody,
    /// Whoever has a token.
    Token,
}

/// A way to be refused that many routes have in common.
struct Refusal {
    status: &'static str,
    name: &'static str,
    says: &'static str,
    applies: fn(&Shape) -> bool,
}

/// What decides how an operation may be refused.
struct Shape {
    access: Access,
    reads: bool,
    body: bool,
    path: bool,
    query: bool,
}

const REFUSALS: [Refusal; 12] = [
    Refusal {
        status: "400",
        name: "Unreadable",
        says: "The path, or the body, cannot be read.",
        applies: |it| it.body || it.path,
    },
    Refusal {
        status: "401",
        name: "Unauthenticated",
        says: "There is no valid token.",
        applies: |it| it.access == Access::Token,
    },
    Refusal {
        status: "403",
        name: "Forbidden",
        says: "The user may not do this.",
        applies: |it| it.access == Access::Token,
    },
    Refusal {
        status: "404",
        name: "NotFound",
        says: "There is no such thing, or it is somebody else's.",
        applies: |it| it.path,
    },
    Refusal {
        status: "408",
        name: "TooSlow",
        says: "The body did not arrive in time.",
        applies: |it| it.body,
    },
    Refusal {
        status: "409",
        name: "Conflict",
        says: "It collides with what is there, or a bound of the cluster is reached.",
        applies: |it| it.access == Access::Token && !it.reads,
    },
    Refusal {
        status: "413",
        name: "TooLarge",
        says: "The body is too large; the bound is named.",
        applies: |it| it.body,
    },
    Refusal {
        status: "415",
        name: "UnsupportedMediaType",
        says: "The body is not announced as JSON.",
        applies: |it| it.body,
    },
    Refusal {
        status: "422",
        name: "Invalid",
        says: "Fields or parameters are wrong; `problems` lists them.",
        applies: |it| it.body || it.query,
    },
    Refusal {
        status: "503",
        name: "Unavailable",
        says: "Too much is under way, or no leader reaches a quorum. Nothing was done.",
        applies: |_| true,
    },
    Refusal {
        status: "504",
        name: "OutcomeUnknown",
        says: "The change may or may not have been done.",
        applies: |it| !it.reads,
    },
    Refusal {
        status: "default",
        name: "Refused",
        says: "The request was not served.",
        applies: |_| true,
    },
];

/// The frame that the routes fill.
pub(crate) fn frame() -> OpenApi {
    let license = LicenseBuilder::new()
        .name("Apache-2.0")
        .identifier(Some("Apache-2.0"))
        .build();
    let info = InfoBuilder::new()
        .title("GO-Docker")
        .description(Some("Batch jobs in containers, on a replicated cluster."))
        .version(api_types::VERSION)
        .license(Some(license))
        .build();
    let mut components = Components::new();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    let mut schemas = Vec::new();
    Problem::schemas(&mut schemas);
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    components.schemas.extend(schemas);
    let refusals = REFUSALS
        .iter()
        .map(|it| (it.name.into(), response(it).into()));
    components.responses.extend(refusals);
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

fn response(refusal: &Refusal) -> Response {
    let problem = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let response = ResponseBuilder::new()
        .description(refusal.says)
        .content(MEDIA_TYPE, problem);
    if refusal.status != "503" {
        return response.build();
    }
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
    let retry_after = HeaderBuilder::new()
        .description(Some("Seconds to wait before the next try"))
        .schema(Some(seconds))
        .build();
    response.header("Retry-After", retry_after).build()
}

/// Adds to every operation what they have in common: who may ask, and how it is refused.
pub(crate) fn complete(document: &mut OpenApi, access: Access) {
    for item in document.paths.paths.values_mut() {
        for (reads, operation) in operations(item) {
            let bearer = SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []);
            operation.security = Some(match access {
                Access::Anybody => Vec::new(),
                Access::Token => vec![bearer],
            });
            let shape = shape(access, reads, operation);
            describe_successes(operation);
            for refusal in REFUSALS.iter().filter(|it| (it.applies)(&shape)) {
                let reference = RefOr::Ref(Ref::from_response_name(refusal.name));
                let responses = &mut operation.responses.responses;
                responses.entry(refusal.status.into()).or_insert(reference);
            }
        }
    }
}

/// OpenAPI wants a text for every answer; where the handler gives none, the status says it.
fn describe_successes(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let status = status.parse().ok();
        let reason = status.and_then(|status: StatusCode| status.canonical_reason());
        if response.description.is_empty()
            && let Some(reason) = reason
        {
            response.description = reason.into();
        }
    }
}

fn shape(access: Access, reads: bool, operation: &Operation) -> Shape {
    let has = |place: ParameterIn| {
        operation.parameters.iter().flatten().any(|it| match it {
            RefOr::T(it) => it.parameter_in == place,
            RefOr::Ref(_) => false,
        })
    };
    Shape {
        access,
        reads,
        body: operation.request_body.is_some(),
        path: has(ParameterIn::Path),
        query: has(ParameterIn::Query),
    }
}

/// The operations of a path, each with whether it only reads.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (bool, &mut Operation)> {
    let PathItem {
        get,
        put,
        post,
        delete,
        ..
    } = item;
    let all = [(true, get), (false, put), (false, post), (false, delete)];
    all.into_iter()
        .filter_map(|(reads, operation)| Some((reads, operation.as_mut()?)))
}

/// The document as text, as it is served and checked in.
pub(crate) fn text(document: &OpenApi) -> String {
    // Fails only for maps whose keys are no strings; the document has none.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
