//! Tells people that something waits for them: by e-mail and by signed webhooks, until it is
//! delivered or given up. What is told carries no way to decide, only where to look.

mod email;
mod webhook;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::Caller,
    file::GatewayFile,
    plan::{KeptPlan, Stage},
    secret::Secret,
    way::Act,
};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    app::{App, new_id},
    store::Notice,
};

/// Finds a secret by the name of its variable.
pub type Lookup = fn(&str) -> Option<Secret<String>>;

/// How often it is looked whether somebody is to be told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one delivery may take.
const DELIVERY: Duration = Duration::from_secs(20);
/// Deliveries at the same time.
const AT_ONCE: usize = 50;
/// How long deliveries may take that run when the gateway stops. What is cut off is told again.
const LAST: Duration = Duration::from_secs(2);
/// How long a gateway keeps a notice to itself while it delivers it.
const LEASE: Duration = Duration::from_secs(60);
/// How long after each attempt that failed the next one is made; after the last it is given up.
const PAUSES: [u64; 8] = [5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200];

/// Runs until `stop`.
pub(crate) async fn tell(app: Arc<App>, stop: CancellationToken) {
    // A server that hangs keeps no other waiting.
    let mut deliveries = JoinSet::new();
    loop {
        if let Err(cause) = round(&app, &mut deliveries).await {
            warn!("people cannot be told at the moment: {cause:#}");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        while let Some(done) = deliveries.try_join_next() {
            if let Ok(Err(cause)) = done {
                warn!("that people were told cannot be kept at the moment: {cause:#}");
            }
        }
    }
    let ended = async { while deliveries.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST, ended).await;
}

async fn round(app: &Arc<App>, deliveries: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    let gateway = app.gateway();
    let now = app.clock.now();
    for plan in app.store.plans_with_news().await? {
        let owner = app
            .snapshot()
            .connectors
            .get(&plan.connector)
            .map(|mounted| mounted.bridge.file.purpose.owner.clone());
        let notices = notices(&gateway, &plan, owner.as_deref());
        app.store.keep_notices(&plan, &notices, now).await?;
    }
    let room = AT_ONCE.saturating_sub(deliveries.len());
    for notice in app.store.take_notices(now, LEASE, room).await? {
        let app = app.clone();
        deliveries.spawn(async move { deliver(&app, &app.gateway(), &notice).await });
    }
    Ok(())
}

async fn deliver(app: &App, gateway: &GatewayFile, notice: &Notice) -> anyhow::Result<()> {
    let Some(plan) = app.store.kept_plan(&notice.plan).await? else {
        return Ok(app.store.next_attempt(&notice.id, None).await?);
    };
    // What was decided meanwhile waits for nobody.
    if !matches!(plan.stage, Stage::Waiting | Stage::Unknown) {
        return Ok(app.store.next_attempt(&notice.id, None).await?);
    }
    let sent = match notice.channel.as_str() {
        EMAIL => tokio::time::timeout(DELIVERY, email::send(app, gateway, (notice, &plan))).await,
        _ => tokio::time::timeout(DELIVERY, webhook::send(app, gateway, (notice, &plan))).await,
    };
    let sent = sent.unwrap_or_else(|_| Err("it took too long".to_owned()));
    let attempt = usize::try_from(notice.attempts).unwrap_or(usize::MAX);
    let pause = PAUSES.get(attempt).filter(|_| sent.is_err());
    let next = pause.and_then(|pause| {
        app.clock
            .now()
            .checked_add(Duration::from_secs(*pause))
            .ok()
    });
    app.store.next_attempt(&notice.id, next).await?;
    if next.is_none() || attempt == 0 {
        record(app, (notice, &plan), sent).await?;
    }
    Ok(())
}

/// Puts the delivery on the log: at the first attempt, and when it is done or given up.
async fn record(
    app: &App,
    (notice, plan): (&Notice, &KeptPlan),
    sent: Result<(), String>,
) -> anyhow::Result<()> {
    let gateway = Caller::gateway();
    let arguments = json!({"plan": plan.id, "event": notice.event, "channel": notice.channel,
                           "recipient": notice.recipient, "attempt": notice.attempts + 1});
    let act = Act {
        id: &new_id(),
        caller: &gateway,
        connector: &plan.connector,
        action: "notify",
        power: None,
        arguments: &arguments,
        reason: format!(
            "{} to {} by {}",
            notice.event, notice.recipient, notice.channel
        ),
        in_full: true,
    };
    let outcome = match sent {
        Ok(()) => Ok(Found::new(arguments.clone(), String::new(), 1)),
        Err(why) => Err(Failure::new(Status::Failed, why)),
    };
    app.way.note(act, outcome, app.way.begin()).await?;
    Ok(())
}

const EMAIL: &str = "email";
const WEBHOOK: &str = "webhook";

/// Who is to be told of a plan, and how.
fn notices(gateway: &GatewayFile, plan: &KeptPlan, owner: Option<&str>) -> Vec<Notice> {
    let event = match plan.stage {
        Stage::Unknown => "approval.unknown",
        _ if plan.escalated => "approval.escalated",
        _ => "approval.asked",
    };
    let notice = |channel: &str, recipient: String| Notice {
        id: format!("{}-{}-{channel}-{recipient}", plan.id, plan.turn),
        plan: plan.id.clone(),
        event: event.to_owned(),
        channel: channel.to_owned(),
        recipient,
        attempts: 0,
    };
    let settings = &gateway.notifications;
    let mut notices = Vec::new();
    if settings.email.is_some() {
        let people = people(gateway, plan, owner);
        notices.extend(people.into_iter().map(|address| notice(EMAIL, address)));
    }
    let hooks = settings.webhooks.iter();
    notices.extend(hooks.map(|hook| notice(WEBHOOK, hook.url.clone())));
    notices
}

/// The addresses of those who may decide; of what is unknown, the connector's owner's.
fn people(gateway: &GatewayFile, plan: &KeptPlan, owner: Option<&str>) -> BTreeSet<String> {
    let meant = |id: &str| match plan.stage {
        Stage::Unknown => owner == Some(id),
        _ => gateway
            .person(id)
            .is_some_and(|person| plan.may_decide(&person).is_ok()),
    };
    let people = gateway.people.iter().filter(|(id, _)| meant(id));
    people
        .filter_map(|(id, person)| {
            let own = id.contains('@').then(|| id.clone());
            person.email.clone().or(own)
        })
        .collect()
}

/// What is told: what it is about and where to look, and what it would do unless it is of the most
/// sensitive sort.
struct Told {
    sentence: String,
    link: String,
    until: Option<String>,
}

impl Told {
    fn of(gateway: &GatewayFile, plan: &KeptPlan) -> Self {
        // A label that is none of the gateway's, or no target at all (a read, with what it asks for in
        // its sentence), counts as the most sensitive.
        let labels = gateway.labels();
        let most = labels.words().len().saturating_sub(1);
        let rank = |label: &String| labels.rank(label).unwrap_or(most);
        let targets = &plan.plan.targets;
        let sensitive = targets.is_empty()
            || targets.iter().any(|target| {
                let label = target.facets.get(drawbridge_core::connector::LABEL);
                label.is_some_and(|label| rank(label) >= most)
            });
        let sentence = if sensitive {
            format!("{} by {}", plan.plan.power, plan.connector)
        } else {
            plan.plan.sentence.clone()
        };
        // A name in it must not begin another header, or hide something.
        let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
        Self {
            sentence: sentence.chars().map(plain).take(300).collect(),
            link: format!("{}/approvals/{}", gateway.own_address(), plan.id),
            until: plan
                .expires
                .map(|end| end.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        }
    }
}

/// The secret behind `env:NAME`.
fn secret(app: &App, named: &str) -> Result<Secret<String>, String> {
    let name = named.strip_prefix("env:").unwrap_or(named);
    (app.lookup)(name).ok_or_else(|| format!("the variable `{name}` is not set"))
}
