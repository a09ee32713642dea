//! The agent's few arguments, without a crate for them.

use crate::agent::echo::{IDENTITY_LIMIT, is_identity};
use crate::core::wire::ToAgent;
use std::ffi::OsString;

/// Where the token is looked for. Not an argument: those show in the process list.
pub const TOKEN_VARIABLE: &str = "PAPERTIGER_TOKEN";

pub(super) const USAGE: &str = "\
usage: papertiger-agent --identity NAME --control stdin|PORT [--open PORT] [--plan JSON]

Sends and answers papertiger's probes, as a controller tells it to.

  --identity NAME       what it answers to probes, at most 128 bytes
  --control stdin       take orders from the Unix socket that is file descriptor 0, and end with it
  --control PORT        take orders on 127.0.0.1 and ::1; end after two minutes without a controller
  --open PORT           answer on this TCP port from the beginning, before any order to, for a kubelet that probes it
  --plan JSON           obey these orders from the beginning, before any controller comes

The controller's secret is read from the variable PAPERTIGER_TOKEN.";

/// How an agent process shall run.
#[derive(Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Who it is: what it answers to probes.
    pub identity: String,
    /// What a controller has to know.
    pub token: String,
    /// Where controllers come from.
    pub control: Control,
    /// The TCP port that is open from the beginning.
    pub open: Option<u16>,
    /// What it does before any controller comes.
    pub plan: Vec<ToAgent>,
}

/// Where controllers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// A Unix socket inherited as file descriptor 0; its end ends the agent.
    Stdin,
    /// A TCP port on the loopback addresses. The agent outlives the connection, but not for long.
    Listen(u16),
}

/// Arguments that make no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(String);

/// The configuration; `None` when help was asked for.
pub(super) fn parse(
    arguments: impl Iterator<Item = OsString>,
    token: Option<OsString>,
) -> Result<Option<AgentConfig>, UsageError> {
    let (mut identity, mut control, mut open, mut plan) = (None, None, None, None);
    let mut arguments = arguments.map(|argument| text("an argument", argument)).peekable();
    // An image's entry point may be the whole command or the agent alone, and both are given the same arguments.
    let _command = arguments.next_if(|argument| matches!(argument.as_deref(), Ok("agent")));
    while let Some(argument) = arguments.next().transpose()? {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let slot = match name.as_str() {
            "--identity" => &mut identity,
            "--control" => &mut control,
            "--open" => &mut open,
            "--plan" => &mut plan,
            "--help" | "-h" => return Ok(None),
            _ => return error(format!("unknown argument `{name}`")),
        };
        let Some(value) = value.map_or_else(|| arguments.next().transpose(), |value| Ok(Some(value)))? else {
            return error(format!("`{name}` needs a value"));
        };
        if slot.replace(value).is_some() {
            return error(format!("`{name}` is given twice"));
        }
    }
    let Some(identity) = identity.filter(|identity| is_identity(identity)) else {
        return error(format!("`--identity` has to name the agent in 1 to {IDENTITY_LIMIT} printable bytes"));
    };
    let control = match control.as_deref() {
        Some("stdin") => Control::Stdin,
        Some(port) => match port_number(port) {
            Some(port) => Control::Listen(port),
            None => return error(format!("`--control` has to be `stdin` or a port, not `{port}`")),
        },
        None => return error("`--control` has to be `stdin` or a port".to_owned()),
    };
    let open = match open.as_deref().map(|port| port_number(port).ok_or(port)).transpose() {
        Ok(open) => open,
        Err(port) => return error(format!("`--open` has to be a port, not `{port}`")),
    };
    let plan = match plan.as_deref().map(serde_json::from_str).transpose() {
        Ok(plan) => plan.unwrap_or_default(),
        Err(problem) => return error(format!("`--plan` has to be a list of orders: {problem}")),
    };
    match token.map(|token| text(TOKEN_VARIABLE, token)).transpose()? {
        Some(token) if !token.is_empty() => Ok(Some(AgentConfig { identity, token, control, open, plan })),
        _ => error(format!("the variable {TOKEN_VARIABLE} has to carry the controller's secret")),
    }
}

fn port_number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn text(what: &str, value: OsString) -> Result<String, UsageError> {
    value.into_string().map_err(|_| UsageError(format!("{what} is not UTF-8")))
}

fn error<T>(message: String) -> Result<T, UsageError> {
    Err(UsageError(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, token: Option<&str>) -> Result<Option<AgentConfig>, String> {
        parse(line.split_whitespace().map(OsString::from), token.map(OsString::from)).map_err(|error| error.to_string())
    }

    fn refused(line: &str, token: Option<&str>) -> String {
        match check(line, token) {
            Ok(_) => panic!("`{line}` was accepted"),
            Err(error) => error,
        }
    }

    #[test]
    fn both_ways_of_writing_are_understood() {
        for (line, control, open) in [
            ("--identity x/a --control stdin", Control::Stdin, None),
            ("--control=8470 --identity=x/a", Control::Listen(8470), None),
            ("agent --control=8470 --identity=x/a", Control::Listen(8470), None),
            ("--open 8080 --identity x/a --control 8470", Control::Listen(8470), Some(8080)),
        ] {
            let (identity, token) = ("x/a".to_owned(), "t".to_owned());
            let config = AgentConfig { identity, token, control, open, plan: Vec::new() };
            assert!(check(line, Some("t")) == Ok(Some(config)), "{line}");
        }
        assert!(check("--help", None) == Ok(None));
    }

    #[test]
    fn a_plan_is_a_list_of_orders() {
        let plan = vec![ToAgent::Listen { ports: Vec::new() }, ToAgent::Probe { epoch: 3, flows: Vec::new() }];
        let line = format!("--identity x/a --control 1 --plan {}", serde_json::to_string(&plan).unwrap());
        let config = check(&line, Some("t")).unwrap().unwrap();
        assert_eq!(config.plan, plan);
    }

    #[test]
    fn nonsense_is_named() {
        let good = "--identity x/a --control 1";
        for (line, token, part) in [
            ("", Some("t"), "--identity"),
            ("--identity", Some("t"), "needs a value"),
            ("--identity x/a", Some("t"), "--control"),
            ("--identity x/\u{7} --control 1", Some("t"), "printable"),
            ("--identity x/a --control 0", Some("t"), "not `0`"),
            ("--identity x/a --control 65536", Some("t"), "not `65536`"),
            ("--identity x/a --identity y/a", Some("t"), "twice"),
            ("--identity x/a --control 1 --open 0", Some("t"), "not `0`"),
            ("--identity x/a --control 1 --plan {}", Some("t"), "a list of orders: invalid type: map"),
            ("--identity x/a --control 1 --plan [{\"type\":\"dance\"}]", Some("t"), "unknown variant `dance`"),
            ("--verbose", Some("t"), "unknown argument `--verbose`"),
            (good, None, TOKEN_VARIABLE),
            (good, Some(""), TOKEN_VARIABLE),
        ] {
            let error = refused(line, token);
            assert!(error.contains(part), "`{line}`: {error}");
        }
    }
}
