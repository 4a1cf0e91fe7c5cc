//! The description of the API that programs read. It is made from the routes themselves, so no
//! route can be missing from it; what all routes have in common is added here.

use api_types::problem::{MEDIA_TYPE, Problem};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, Ref,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

/// Paths that need no token.
pub(crate) const PUBLIC: [&str; 5] = ["/cluster", "/healthz", "/login", "/openapi.json", "/readyz"];

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
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .build()
}

/// Adds to every operation what they have in common: how it is refused, and who may ask.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let public = PUBLIC
            .iter()
            .any(|end| path.strip_prefix(api_types::PREFIX) == Some(*end));
        for operation in operations(item) {
            let requirement = if public {
                Vec::new()
            } else {
                vec![SecurityRequirement::new::<_, [&str; 0], &str>("bearer", [])]
            };
            operation.security = Some(requirement);
            let refusal = ResponseBuilder::new()
                .description("Why the request was not served")
                .content(
                    MEDIA_TYPE,
                    ContentBuilder::new()
                        .schema(Some(Ref::from_schema_name("Problem")))
                        .build(),
                )
                .build();
            operation
                .responses
                .responses
                .insert("default".into(), refusal.into());
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        ..
    } = item;
    [get, put, post, delete].into_iter().flatten()
}

/// The document as text, as it is served and checked in.
pub(crate) fn text(document: &OpenApi) -> String {
    // Fails only for maps whose keys are no strings; the document has none.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}
