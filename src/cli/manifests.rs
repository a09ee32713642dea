//! `papertiger manifests`.

use super::settings::ManifestsSettings;
use crate::report::push::{Gateway, ParseGatewayError};
use crate::target::cluster::GivenNamespaces;

const AFTER: &str = "\
Every flag has a variable: --schedule is PAPERTIGER_SCHEDULE.

Examples:
  papertiger manifests --image registry.example/team/papertiger:1 | kubectl apply -f -
  papertiger manifests --image … --schedule '0 * * * *' -- --profile quick
  papertiger manifests --image … --namespaces team-x,team-y,team-z
      The least rights: Roles in three namespaces, and a look at the nodes.

The image must hold all of papertiger: see `papertiger image save --executable`.";

/// What to fill in.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct ManifestsArgs {
    /// The image that the CronJob runs
    #[arg(long, value_name = "REF", default_value = super::image::DEFAULT_TAG, env = "PAPERTIGER_IMAGE", hide_env = true)]
    image: String,
    /// The namespace that it runs in
    #[arg(long, value_name = "NAME", default_value = "papertiger", env = "PAPERTIGER_NAMESPACE", hide_env = true)]
    #[arg(value_parser = namespace)]
    namespace: String,
    /// Three namespaces for probe pods, the only ones that it has rights in [default: it makes its own]
    #[arg(long, value_name = "X,Y,Z", env = "PAPERTIGER_NAMESPACES", hide_env = true)]
    namespaces: Option<GivenNamespaces>,
    /// When, as five fields of cron
    #[arg(long, value_name = "CRON", default_value = "17 5 * * *", env = "PAPERTIGER_SCHEDULE", hide_env = true)]
    schedule: String,
    /// The Pushgateway that metrics go to: http://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = gateway, env = "PAPERTIGER_PUSH", hide_env = true)]
    push: Option<String>,
    /// More flags of `papertiger verify`
    #[arg(last = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

impl ManifestsArgs {
    /// What is to be filled in.
    pub fn into_settings(self) -> ManifestsSettings {
        let Self { image, namespace, namespaces, schedule, push, flags } = self;
        ManifestsSettings { image, namespace, namespaces, schedule, push, flags }
    }
}

/// A Pushgateway's address, as it was written: `verify` is told the password, too.
fn gateway(text: &str) -> Result<String, ParseGatewayError> {
    text.parse::<Gateway>().map(|_| text.to_owned())
}

/// A name that a namespace can have (RFC 1123).
fn namespace(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name =
        (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-');
    if is_name { Ok(text.to_owned()) } else { Err("write lower case letters, digits and `-`, 63 at most".to_owned()) }
}
