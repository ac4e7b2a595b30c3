//! Forms that somebody's own pages send.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode},
};
use drawbridge_core::answer::Status;

use super::{Trouble, Visitor};
use crate::app::App;

/// A form that one of this person's own pages sent.
pub(in crate::door::console) struct Sent {
    pub(in crate::door::console) visitor: Visitor,
    fields: HashMap<String, String>,
}

impl Sent {
    /// What stands in a field; nothing where there is none.
    pub(in crate::door::console) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |text| text.trim())
    }

    /// What stands in a field to the last blank; none where there is no such field.
    pub(in crate::door::console) fn as_sent(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The reason, or what stands for it.
    pub(in crate::door::console) fn reason_or(&self, otherwise: &str) -> String {
        match self.field("reason") {
            "" => otherwise.to_owned(),
            reason => reason.to_owned(),
        }
    }

    /// Every field that is no box of its own: `power.read`, `power.search`.
    pub(in crate::door::console) fn chosen(&self, prefix: &str) -> Vec<String> {
        let mut chosen: Vec<String> = self
            .fields
            .keys()
            .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
            .collect();
        chosen.sort();
        chosen
    }
}

impl FromRequest<Arc<App>> for Sent {
    type Rejection = Trouble;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Trouble> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let foreign = !own_page(&parts.headers);
        let request = Request::from_parts(parts, body);
        let Ok(Form(fields)) = Form::<HashMap<String, String>>::from_request(request, app).await
        else {
            let message = "the form cannot be read, or is too large".to_owned();
            return Err(visitor.trouble(Status::Invalid, message));
        };
        let token = fields.get("csrf").map_or("", String::as_str);
        let same = verify_slices_are_equal(token.as_bytes(), visitor.csrf.as_bytes()).is_ok();
        if foreign || !same {
            crate::telemetry::refused("form");
            return Err(Trouble::Told {
                code: StatusCode::FORBIDDEN,
                title: "Nothing was done",
                message: "the form is not one of your session's own pages".to_owned(),
                mend: "Go back, load the page again, and send its form.",
                back: visitor.back,
            });
        }
        Ok(Self { visitor, fields })
    }
}

/// Whether a browser that tells where a request comes from tells that it comes from here.
pub(in crate::door::console) fn own_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_none_or(|site| site == "same-origin" || site == "none")
}
