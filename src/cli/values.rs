//! Readers of single values. Their messages say what is accepted.

use crate::report::{ReportFile, ReportFormat};
use jiff::fmt::friendly::SpanParser;
use std::path::PathBuf;
use std::time::Duration;

/// A length of time with units: `500ms`, `2s`, `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    static PARSER: SpanParser = SpanParser::new();
    PARSER
        .parse_duration(text.trim())
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "write a number with its unit, such as 500ms, 2s or 1m30s".to_owned())
}

/// As [`duration`] reads it.
pub(super) fn show(duration: Duration) -> String {
    jiff::SignedDuration::try_from(duration).map_or_else(|_| format!("{duration:?}"), |d| format!("{d:#}"))
}

/// A pattern for ids of cases, validated and kept as text.
pub(super) fn glob(text: &str) -> Result<String, String> {
    globset::Glob::new(text).map(|glob| glob.glob().to_owned()).map_err(|error| error.kind().to_string())
}

/// `FORMAT=PATH`.
pub(super) fn report(text: &str) -> Result<ReportFile, String> {
    let formats = ReportFormat::ALL.map(ReportFormat::name).join(", ");
    let Some((format, path)) = text.split_once('=') else {
        return Err(format!("write FORMAT=PATH, such as json=report.json; formats: {formats}"));
    };
    let Some(format) = ReportFormat::ALL.into_iter().find(|known| known.name() == format) else {
        return Err(format!("there is no format `{format}`; formats: {formats}"));
    };
    match path {
        "" => Err(format!("write a path after `{}=`", format.name())),
        "-" if format == ReportFormat::Json => Err("for json on stdout write `-o json`".to_owned()),
        "-" => Err(format!("{} goes to a file: write {}=PATH", format.name(), format.name())),
        path => Ok(ReportFile { format, path: PathBuf::from(path) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_are_not_negative() {
        let parsed = ["500ms", "2s", "1m30s", "1m 30s", "1.5s"].map(|text| duration(text).unwrap().as_millis());
        assert_eq!(parsed, [500, 2_000, 90_000, 90_000, 1_500]);
        for wrong in ["", "60", "-2s", "2s ago", "soon", "1x", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(show(Duration::from_secs(90)), "1m 30s");
    }

    #[test]
    fn reports_are_named_by_format_and_path() {
        assert_eq!(report("json=a=b").unwrap(), ReportFile { format: ReportFormat::Json, path: "a=b".into() });
        for (wrong, said) in [
            ("json", "write FORMAT=PATH"),
            ("=x", "there is no format ``"),
            ("yaml=x", "there is no format `yaml`"),
            ("JSON=x", "there is no format `JSON`"),
            ("json=", "write a path after `json=`"),
            ("json=-", "write `-o json`"),
            ("junit=-", "write junit=PATH"),
        ] {
            let error = report(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn globs_are_checked() {
        assert_eq!(glob("{deny,allow}-*").unwrap(), "{deny,allow}-*");
        assert!(glob("deny-[").is_err());
    }
}
