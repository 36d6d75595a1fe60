//! Packets that IPsec lost, by reason, from `/proc/net/xfrm_stat`.
//!
//! * Source: kernel Documentation/networking/xfrm_proc.rst.
//! * Units: packets.
//! * Absent when: the kernel is built without CONFIG_XFRM_STATISTICS: no data. Older kernels have fewer counters.
//! * Differs from the Go exporter: a line that is missing or malformed costs its own series; there it is shown as 0, or
//!   costs all of them. Counters of later kernels than the Go exporter knows have no family here either.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::off("xfrm", "packets lost in IPsec, /proc/net/xfrm_stat", &[], |args| {
        Ok(Box::new(Xfrm { file: KeptFile::of_proc(args, "net/xfrm_stat") }))
    });

const fn counter(name: &'static str, help: &'static str) -> Desc<'static> {
    Desc::counter(name, help, &[])
}

/// The kernel's names and our families, in the kernel's order as far as it had them when they were named.
static FAMILIES: [(&str, Desc<'static>); 28] = [
    (
        "XfrmInError",
        counter(
            "node_xfrm_in_error_packets_total",
            "Packets received and lost for a reason that has no counter of its own.",
        ),
    ),
    (
        "XfrmInBufferError",
        counter("node_xfrm_in_buffer_error_packets_total", "Packets received for which there was no memory."),
    ),
    ("XfrmInHdrError", counter("node_xfrm_in_hdr_error_packets_total", "Packets received with a bad header.")),
    (
        "XfrmInNoStates",
        counter(
            "node_xfrm_in_no_states_packets_total",
            "Packets received whose address, protocol or SPI fits no state.",
        ),
    ),
    (
        "XfrmInStateProtoError",
        counter(
            "node_xfrm_in_state_proto_error_packets_total",
            "Packets received that the protocol of their state refused, as with a bad key.",
        ),
    ),
    (
        "XfrmInStateModeError",
        counter(
            "node_xfrm_in_state_mode_error_packets_total",
            "Packets received that the mode of their state refused.",
        ),
    ),
    (
        "XfrmInStateSeqError",
        counter(
            "node_xfrm_in_state_seq_error_packets_total",
            "Packets received outside of the window of sequence numbers.",
        ),
    ),
    (
        "XfrmInStateExpired",
        counter("node_xfrm_in_state_expired_packets_total", "Packets received for a state that has expired."),
    ),
    (
        "XfrmInStateMismatch",
        counter(
            "node_xfrm_in_state_mismatch_packets_total",
            "Packets received whose encapsulation does not fit their state.",
        ),
    ),
    (
        "XfrmInStateInvalid",
        counter("node_xfrm_in_state_invalid_packets_total", "Packets received for a state that is not valid."),
    ),
    (
        "XfrmInTmplMismatch",
        counter("node_xfrm_in_tmpl_mismatch_packets_total", "Packets received whose states fit no template."),
    ),
    ("XfrmInNoPols", counter("node_xfrm_in_no_pols_packets_total", "Packets received whose states no policy covers.")),
    ("XfrmInPolBlock", counter("node_xfrm_in_pol_block_packets_total", "Packets received that a policy discards.")),
    ("XfrmInPolError", counter("node_xfrm_in_pol_error_packets_total", "Packets received for which a policy failed.")),
    (
        "XfrmOutError",
        counter("node_xfrm_out_error_packets_total", "Packets not sent for a reason that has no counter of its own."),
    ),
    (
        "XfrmOutBundleGenError",
        counter("node_xfrm_out_bundle_gen_error_packets_total", "Packets not sent because no bundle could be made."),
    ),
    (
        "XfrmOutBundleCheckError",
        counter(
            "node_xfrm_out_bundle_check_error_packets_total",
            "Packets not sent because their bundle was not good any more.",
        ),
    ),
    (
        "XfrmOutNoStates",
        counter("node_xfrm_out_no_states_packets_total", "Packets not sent because there is no state for them."),
    ),
    (
        "XfrmOutStateProtoError",
        counter(
            "node_xfrm_out_state_proto_error_packets_total",
            "Packets not sent because the protocol of their state failed.",
        ),
    ),
    (
        "XfrmOutStateModeError",
        counter(
            "node_xfrm_out_state_mode_error_packets_total",
            "Packets not sent because the mode of their state failed.",
        ),
    ),
    (
        "XfrmOutStateSeqError",
        counter(
            "node_xfrm_out_state_seq_error_packets_total",
            "Packets not sent because the sequence numbers of their state are used up.",
        ),
    ),
    (
        "XfrmOutStateExpired",
        counter("node_xfrm_out_state_expired_packets_total", "Packets not sent because their state has expired."),
    ),
    (
        "XfrmOutPolBlock",
        counter("node_xfrm_out_pol_block_packets_total", "Packets not sent because a policy discards them."),
    ),
    (
        "XfrmOutPolDead",
        counter("node_xfrm_out_pol_dead_packets_total", "Packets not sent because their policy is on its way out."),
    ),
    ("XfrmOutPolError", counter("node_xfrm_out_pol_error_packets_total", "Packets not sent because a policy failed.")),
    (
        "XfrmFwdHdrError",
        counter("node_xfrm_fwd_hdr_error_packets_total", "Packets not forwarded because of a bad header."),
    ),
    (
        "XfrmOutStateInvalid",
        counter("node_xfrm_out_state_invalid_packets_total", "Packets not sent because their state is not valid."),
    ),
    (
        "XfrmAcquireError",
        counter("node_xfrm_acquire_error_packets_total", "Packets not sent because no state could be asked for."),
    ),
];

struct Xfrm {
    file: KeptFile,
}

impl Collector for Xfrm {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let text = self.file.read().map_err(|e| e.absent_is_no_data("this kernel keeps no statistics of IPsec"))?;
        let mut bad_fields = Vec::new(); // of a Vec that stays empty: no allocation
        for counter in parse(text) {
            match counter {
                Ok((desc, n)) => page.sample::<&str>(desc, &[], n as f64),
                Err(bad) => bad_fields.push(bad),
            }
        }
        for bad in bad_fields {
            cx.fault(bad.in_file(self.file.path()));
        }
        Ok(())
    }
}

/// The counters that have a family, in the order of the file.
fn parse(text: &[u8]) -> impl Iterator<Item = Result<(&'static Desc<'static>, u64), BadField>> {
    lines(text).filter_map(|(number, line)| {
        let mut words = Words::new(number, line);
        let name = words.next()?;
        if !name.starts_with(b"Xfrm") {
            return Some(Err(BadField::new(number, "counter", "a name with Xfrm", name)));
        }
        let (_, desc) = FAMILIES.iter().find(|(known, _)| known.as_bytes() == name)?;
        let n = words.u64("packets");
        Some(match words.next() {
            Some(more) if n.is_ok() => Err(BadField::new(number, "counter", "two words", more)),
            _ => n.map(|n| (desc, n)),
        })
    })
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "xfrm_stat",
    |bytes| parse(bytes).for_each(eat),
    b"XfrmInError             \t0\nXfrmInNoStates          \t12\nXfrmAcquireError        \t3\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn good() {
        let text = "XfrmInError             \t1\nXfrmOutPolDead 18446744073709551615\r\nXfrmInStateDirError\t7\n\
                    XfrmAcquireError 0";
        let want = [
            "node_xfrm_acquire_error_packets_total 0",
            "node_xfrm_in_error_packets_total 1",
            "node_xfrm_out_pol_dead_packets_total 1.8446744073709552e+19",
        ];
        check(&ROW, &[("proc/net/xfrm_stat", text)], &want, &[]);
        check(&ROW, &[("proc/net/xfrm_stat", "")], &[], &[]);
        check(&ROW, &[], &[], &["no data: this kernel keeps no statistics of IPsec"]);
    }

    #[test]
    fn a_bad_line_costs_itself() {
        let text = "XfrmInError\nXfrmInBufferError -1\nXfrmInHdrError 1 2\n\u{1}\u{2} x\n\nXfrmInNoStates 5\n";
        let want = [
            "proc/net/xfrm_stat:1: packets: expected a whole number, found \"\"",
            "proc/net/xfrm_stat:2: packets: expected a whole number, found \"-1\"",
            "proc/net/xfrm_stat:3: counter: expected two words, found \"2\"",
            "proc/net/xfrm_stat:4: counter: expected a name with Xfrm, found \"\\u{1}\\u{2}\"",
        ];
        check(&ROW, &[("proc/net/xfrm_stat", text)], &["node_xfrm_in_no_states_packets_total 5"], &want);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = FAMILIES.iter().flat_map(|(file, desc)| [*file, desc.name]).collect();
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b));
    }
}
