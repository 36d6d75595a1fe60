//! Certificates and staplings that mod_md manages.
//!
//! * Absent when: mod_md is not loaded, or `MDServerStatus` is off. A domain without a name has no series.

use common::exposition::{Desc, Page};

use super::{Part, labelled, open, several, single, value};
use crate::status::Status;

static CERTIFICATES: Desc<'static> =
    Desc::gauge("apache_md_certificates", "Managed certificates by state.", &["state"]);
static CERTIFICATES_CONFIGURED: Desc<'static> =
    Desc::gauge("apache_md_certificates_configured", "Certificates that mod_md is to manage.", &[]);
static STAPLINGS: Desc<'static> = Desc::gauge("apache_md_staplings", "Managed staplings by state.", &["state"]);
static STAPLINGS_CONFIGURED: Desc<'static> =
    Desc::gauge("apache_md_staplings_configured", "Staplings that mod_md is to manage.", &[]);
static DOMAIN: Desc<'static> =
    Desc::gauge("apache_md_domain_status", "State of a managed domain; always 1.", &["domain", "status"]);

pub(super) static MD: Part = Part {
    families: &[
        several(
            &CERTIFICATES,
            "certificates",
            &[
                labelled(&["errored"], |status| status.md.certificates_errored),
                labelled(&["ok"], |status| status.md.certificates_ok),
                labelled(&["ready"], |status| status.md.certificates_ready),
                labelled(&["renew"], |status| status.md.certificates_renew),
            ],
        ),
        single(&CERTIFICATES_CONFIGURED, "certificates", &[value(|status| status.md.certificates_total)]),
        several(
            &STAPLINGS,
            "staplings",
            &[
                labelled(&["errored"], |status| status.md.staplings_errored),
                labelled(&["ok"], |status| status.md.staplings_ok),
                labelled(&["renew"], |status| status.md.staplings_renew),
            ],
        ),
        single(&STAPLINGS_CONFIGURED, "staplings", &[value(|status| status.md.staplings_total)]),
        open(&DOMAIN, "1"),
    ],
    rest: encode_domains,
};

fn encode_domains(status: &Status, _now: f64, page: &mut Page) {
    for domain in status.md.domains.values() {
        if let (Some(name), Some(state)) = (&domain.name, &domain.status) {
            page.sample(&DOMAIN, &[name, state], 1.0);
        }
    }
}
