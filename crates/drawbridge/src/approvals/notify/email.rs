//! Mail to people who are asked.

use drawbridge_core::{
    file::{EmailFile, GatewayFile, Security},
    plan::KeptPlan,
};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};

use super::{Told, secret};
use crate::{app::App, store::Notice};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

pub(super) async fn send(
    app: &App,
    gateway: &GatewayFile,
    (notice, plan): (&Notice, &KeptPlan),
) -> Result<(), String> {
    let settings = gateway.notifications.email.as_ref();
    let settings = settings.ok_or("drawbridge.yaml names no mail server any more")?;
    let told = Told::of(gateway, plan);
    let address = |text: &str| -> Result<Mailbox, String> {
        text.parse()
            .map_err(|_| format!("`{text}` is no mail address"))
    };
    let subject = match notice.event.as_str() {
        "approval.unknown" => format!("Nobody can tell whether it was done: {}", told.sentence),
        "approval.escalated" => format!("Escalated to you: {}", told.sentence),
        _ => format!("Waits for you: {}", told.sentence),
    };
    let until = told.until.as_ref().map_or_else(String::new, |until| {
        format!("It stands open until {until}.\n")
    });
    let text = format!(
        "{}\n\n{} asks for it, through {}, with the connector {}.\n{until}\n\
         Look at it and decide: {}\n\
         or on the command line: drawbridge approvals show {}\n\n\
         This mail decides nothing, and nobody can decide by answering it.\n",
        told.sentence,
        plan.caller.person.id,
        plan.caller.client,
        plan.connector,
        told.link,
        plan.id
    );
    let message = Message::builder()
        .from(address(&settings.from)?)
        .to(address(&notice.recipient)?)
        .subject(subject)
        .message_id(Some(format!(
            "<{}@drawbridge>",
            notice.id.replace(['@', ':', '/'], ".")
        )))
        .header(ContentType::TEXT_PLAIN)
        .body(text)
        .map_err(|error| error.to_string())?;
    let sent = transport(app, settings)?.send(message).await;
    sent.map(|_| ())
        .map_err(|error| format!("the mail server does not take it: {error}"))
}

fn transport(app: &App, settings: &EmailFile) -> Result<Transport, String> {
    let (host, port) = settings
        .server
        .rsplit_once(':')
        .ok_or("its server has no port")?;
    let port: u16 = port.parse().map_err(|_| "its server has no port")?;
    let parameters = || TlsParameters::new(host.to_owned()).map_err(|error| error.to_string());
    let tls = match settings.security {
        Security::None => Tls::None,
        Security::Starttls => Tls::Required(parameters()?),
        Security::Tls => Tls::Wrapper(parameters()?),
    };
    let mut builder = Transport::builder_dangerous(host).port(port).tls(tls);
    if let (Some(user), Some(password)) = (&settings.user, &settings.password) {
        let password = secret(app, password)?.expose().clone();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}
