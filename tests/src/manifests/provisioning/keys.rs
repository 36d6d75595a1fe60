//! The keys of Grafana's provisioning files, and what they may hold.

use crate::manifests::shape::DURATION;
use crate::manifests::shape::Shape::{self, Any, Count, Either, Flag, List, Map, Named, Ruled, Text, Word};

const UID: Shape = Ruled("at most 40 letters, digits, - or _", is_uid);
const STATES: &[&str] = &["NoData", "Alerting", "OK", "KeepLast"];

/// Files of `provisioning/datasources`.
pub(super) const DATASOURCES: Shape = Map(&[
    ("apiVersion!", Count),
    ("prune", Flag),
    ("deleteDatasources", List(&Map(&[("name!", Text), ("orgId", Count)]))),
    (
        "datasources!",
        List(&Map(&[
            ("name!", Text),
            ("type!", Word(&["prometheus"])),
            // Without it, Grafana makes one up, and nobody can refer to that.
            ("uid!", UID),
            ("access", Word(&["proxy"])),
            ("url!", Text),
            ("orgId", Count),
            ("isDefault", Flag),
            ("editable", Flag),
            ("basicAuth", Flag),
            ("basicAuthUser", Text),
            (
                "jsonData",
                Map(&[
                    ("httpMethod", Word(&["GET", "POST"])),
                    ("timeInterval!", DURATION),
                    ("prometheusType", Word(&["Prometheus", "Mimir", "Thanos", "Cortex"])),
                    ("prometheusVersion", Text),
                    ("manageAlerts", Flag),
                    ("tlsAuth", Flag),
                    ("tlsAuthWithCACert", Flag),
                    ("serverName", Text),
                    ("timeout", Count),
                    ("incrementalQuerying", Flag),
                ]),
            ),
            ("secureJsonData", Named(&Text)),
        ])),
    ),
]);

/// Files of `provisioning/dashboards`.
pub(super) const PROVIDERS: Shape = Map(&[
    ("apiVersion!", Count),
    (
        "providers!",
        List(&Map(&[
            ("name!", Text),
            ("orgId", Count),
            ("type", Word(&["file"])),
            ("folder", Text),
            ("folderUid", UID),
            ("disableDeletion", Flag),
            ("updateIntervalSeconds", Count),
            ("allowUiUpdates", Flag),
            ("options!", Map(&[("path!", Text), ("foldersFromFilesStructure", Flag)])),
        ])),
    ),
]);

const LABELS: Shape = Named(&Text);
const NAMES: Shape = List(&Text);
const MATCHERS: Shape = List(&List(&Text));

const RULE: Shape = Map(&[
    ("uid!", UID),
    ("title!", Text),
    ("condition!", Text),
    (
        "data!",
        List(&Map(&[
            ("refId!", Text),
            ("queryType", Text),
            ("relativeTimeRange", Map(&[("from!", Count), ("to!", Count)])),
            ("datasourceUid!", Text),
            ("model!", Any),
        ])),
    ),
    // Each of ours belongs to a panel.
    ("dashboardUid!", UID),
    ("panelId!", Count),
    ("noDataState!", Word(STATES)),
    ("execErrState!", Word(&["Alerting", "Error", "OK", "KeepLast"])),
    ("for!", DURATION),
    ("keepFiringFor", DURATION),
    ("missing_series_evals_to_resolve", Count),
    ("annotations!", LABELS),
    ("labels!", LABELS),
    ("isPaused", Flag),
]);

const SLACK: Shape = Map(&[
    ("url!", Text),
    ("recipient", Text),
    ("username", Text),
    ("icon_emoji", Text),
    ("icon_url", Text),
    ("title!", Text),
    ("text!", Text),
    ("color", Text),
    ("footer", Text),
]);

const WEBHOOK: Shape = Map(&[
    ("url!", Text),
    ("httpMethod", Word(&["POST", "PUT"])),
    ("authorization_scheme", Text),
    ("authorization_credentials", Text),
    ("username", Text),
    ("password", Text),
    ("headers", Named(&Text)),
    ("maxAlerts", Count),
    ("title", Text),
    ("message", Text),
    ("payload", Map(&[("template!", Text), ("vars", Named(&Text))])),
    ("tlsConfig", Map(&[("insecureSkipVerify", Flag), ("caCertificate", Text)])),
]);

const SLACK_RECEIVER: Shape =
    Map(&[("uid!", UID), ("type!", Word(&["slack"])), ("disableResolveMessage", Flag), ("settings!", SLACK)]);
const WEBHOOK_RECEIVER: Shape =
    Map(&[("uid!", UID), ("type!", Word(&["webhook"])), ("disableResolveMessage", Flag), ("settings!", WEBHOOK)]);

const TIMES: Shape = List(&Map(&[
    ("times", List(&Map(&[("start_time!", TIME), ("end_time!", TIME)]))),
    ("weekdays", NAMES),
    ("days_of_month", NAMES),
    ("months", NAMES),
    ("years", NAMES),
    ("location", Text),
]));
const TIME: Shape = Ruled("a time as 23:59", is_time);

// A tree has as many levels as people want; two are checked, and the third is refused until somebody needs it.
const ROUTE: Shape = Map(&[
    ("receiver!", Text),
    ("group_by", NAMES),
    ("group_wait", DURATION),
    ("group_interval", DURATION),
    ("repeat_interval", DURATION),
    ("object_matchers!", MATCHERS),
    ("continue", Flag),
    ("mute_time_intervals", NAMES),
    ("active_time_intervals", NAMES),
]);

/// Files of `provisioning/alerting`.
pub(super) const ALERTING: Shape = Map(&[
    ("apiVersion!", Count),
    (
        "groups",
        List(&Map(&[
            ("orgId", Count),
            ("name!", Text),
            ("folder!", Text),
            ("interval!", DURATION),
            ("rules!", List(&RULE)),
        ])),
    ),
    (
        "contactPoints",
        List(&Map(&[
            ("orgId", Count),
            ("name!", Text),
            ("receivers!", List(&Either(&SLACK_RECEIVER, &WEBHOOK_RECEIVER))),
        ])),
    ),
    (
        "policies",
        List(&Map(&[
            ("orgId", Count),
            ("receiver!", Text),
            ("group_by!", NAMES),
            ("group_wait", DURATION),
            ("group_interval", DURATION),
            ("repeat_interval", DURATION),
            ("routes", List(&ROUTE)),
        ])),
    ),
    ("templates", List(&Map(&[("orgId", Count), ("name!", Text), ("template!", Text)]))),
    ("muteTimes", List(&Map(&[("orgId", Count), ("name!", Text), ("time_intervals!", TIMES)]))),
]);

fn is_uid(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn is_time(text: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() == 2);
    let parts = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    parts.is_some_and(|(hour, minute)| (hour < 24 && minute < 60) || (hour, minute) == (24, 0))
}
