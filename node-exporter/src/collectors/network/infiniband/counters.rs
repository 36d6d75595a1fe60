//! Which file of a port's counters is which family.
//!
//! Source: kernel Documentation/ABI/stable/sysfs-class-infiniband; names and meaning of those of the hardware are the
//! drivers' own (mlx5, mlx4, irdma).

use common::exposition::Desc;

/// How a file's number becomes the exported one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// As it is.
    One,
    /// Words of four bytes.
    Words,
    /// Milliseconds; whole seconds are exported.
    Milliseconds,
}

/// One file.
pub(super) struct Row {
    pub(super) file: &'static str,
    pub(super) unit: Unit,
    pub(super) desc: Desc<'static>,
}

const LABELS: &[&str] = &["device", "port"];

const fn counter(file: &'static str, name: &'static str, help: &'static str) -> Row {
    Row { file, unit: Unit::One, desc: Desc::counter(name, help, LABELS) }
}

const fn words(file: &'static str, name: &'static str, help: &'static str) -> Row {
    Row { file, unit: Unit::Words, desc: Desc::counter(name, help, LABELS) }
}

const fn milliseconds(file: &'static str, name: &'static str, help: &'static str) -> Row {
    Row { file, unit: Unit::Milliseconds, desc: Desc::gauge(name, help, LABELS) }
}

/// The directories of a port, and the files in them, sorted by name.
pub(super) static DIRECTORIES: [(&str, &[Row]); 3] =
    [("counters", COUNTERS), ("counters_ext", EXTENDED), ("hw_counters", HARDWARE)];

/// What the specification wants counted.
const COUNTERS: &[Row] = &[
    counter("VL15_dropped", "node_infiniband_vl15_dropped_total", "Management packets dropped for lack of room."),
    counter(
        "excessive_buffer_overrun_errors",
        "node_infiniband_excessive_buffer_overrun_errors_total",
        "Times the receive buffers of the port overran for several flow control periods in a row.",
    ),
    counter(
        "link_downed",
        "node_infiniband_link_downed_total",
        "Times the port tried in vain to bring its link back and took it down.",
    ),
    counter(
        "link_error_recovery",
        "node_infiniband_link_error_recovery_total",
        "Times the port brought its link back after errors.",
    ),
    counter(
        "local_link_integrity_errors",
        "node_infiniband_local_link_integrity_errors_total",
        "Times errors of the local physical link went over their threshold.",
    ),
    counter(
        "multicast_rcv_packets",
        "node_infiniband_multicast_packets_received_total",
        "Multicast packets received, those with errors included.",
    ),
    counter(
        "multicast_xmit_packets",
        "node_infiniband_multicast_packets_transmitted_total",
        "Multicast packets sent, those with errors included.",
    ),
    counter(
        "port_rcv_constraint_errors",
        "node_infiniband_port_constraint_errors_received_total",
        "Packets received and dropped because partition or raw filter forbids them.",
    ),
    words(
        "port_rcv_data",
        "node_infiniband_port_data_received_bytes_total",
        "Bytes of data received over all virtual lanes.",
    ),
    counter(
        "port_rcv_discards",
        "node_infiniband_port_discards_received_total",
        "Packets received and dropped because the port was down or congested.",
    ),
    counter("port_rcv_errors", "node_infiniband_port_errors_received_total", "Packets received with an error."),
    counter(
        "port_rcv_packets",
        "node_infiniband_port_packets_received_total",
        "Packets received over all virtual lanes, those with errors included.",
    ),
    counter(
        "port_rcv_remote_physical_errors",
        "node_infiniband_port_receive_remote_physical_errors_total",
        "Packets received that their sender had marked as bad.",
    ),
    counter(
        "port_rcv_switch_relay_errors",
        "node_infiniband_port_receive_switch_relay_errors_total",
        "Packets received that the switch could not pass on.",
    ),
    counter(
        "port_xmit_constraint_errors",
        "node_infiniband_port_constraint_errors_transmitted_total",
        "Packets not sent because partition or raw filter forbids them.",
    ),
    words(
        "port_xmit_data",
        "node_infiniband_port_data_transmitted_bytes_total",
        "Bytes of data sent over all virtual lanes.",
    ),
    counter(
        "port_xmit_discards",
        "node_infiniband_port_discards_transmitted_total",
        "Packets dropped on their way out because the port was down or congested.",
    ),
    counter(
        "port_xmit_packets",
        "node_infiniband_port_packets_transmitted_total",
        "Packets sent over all virtual lanes, those with errors included.",
    ),
    counter(
        "port_xmit_wait",
        "node_infiniband_port_transmit_wait_total",
        "Ticks during which the port had data to send and could not.",
    ),
    counter("symbol_error", "node_infiniband_symbol_error_total", "Minor errors on the lanes of the physical link."),
    counter(
        "unicast_rcv_packets",
        "node_infiniband_unicast_packets_received_total",
        "Unicast packets received, those with errors included.",
    ),
    counter(
        "unicast_xmit_packets",
        "node_infiniband_unicast_packets_transmitted_total",
        "Unicast packets sent, those with errors included.",
    ),
];

/// The same with 64 bits, before Linux 4.12.
const EXTENDED: &[Row] = &[
    counter(
        "port_multicast_rcv_packets",
        "node_infiniband_legacy_multicast_packets_received_total",
        "Multicast packets received, from the extended counters of older kernels.",
    ),
    counter(
        "port_multicast_xmit_packets",
        "node_infiniband_legacy_multicast_packets_transmitted_total",
        "Multicast packets sent, from the extended counters of older kernels.",
    ),
    words(
        "port_rcv_data_64",
        "node_infiniband_legacy_data_received_bytes_total",
        "Bytes of data received, from the extended counters of older kernels.",
    ),
    counter(
        "port_rcv_packets_64",
        "node_infiniband_legacy_packets_received_total",
        "Packets received, from the extended counters of older kernels.",
    ),
    counter(
        "port_unicast_rcv_packets",
        "node_infiniband_legacy_unicast_packets_received_total",
        "Unicast packets received, from the extended counters of older kernels.",
    ),
    counter(
        "port_unicast_xmit_packets",
        "node_infiniband_legacy_unicast_packets_transmitted_total",
        "Unicast packets sent, from the extended counters of older kernels.",
    ),
    words(
        "port_xmit_data_64",
        "node_infiniband_legacy_data_transmitted_bytes_total",
        "Bytes of data sent, from the extended counters of older kernels.",
    ),
    counter(
        "port_xmit_packets_64",
        "node_infiniband_legacy_packets_transmitted_total",
        "Packets sent, from the extended counters of older kernels.",
    ),
];

/// What drivers count beyond that.
const HARDWARE: &[Row] = &[
    counter(
        "duplicate_request",
        "node_infiniband_duplicate_requests_packets_total",
        "Requests received that had been carried out before.",
    ),
    counter(
        "implied_nak_seq_err",
        "node_infiniband_implied_nak_seq_errors_total",
        "Times an acknowledgement came for something later than a read or atomic that is still open.",
    ),
    milliseconds(
        "lifespan",
        "node_infiniband_lifespan_seconds",
        "How old the adapter's counters can be, in whole seconds.",
    ),
    counter(
        "local_ack_timeout_err",
        "node_infiniband_local_ack_timeout_errors_total",
        "Times a queue pair of the sender waited in vain for an acknowledgement.",
    ),
    counter(
        "np_cnp_sent",
        "node_infiniband_np_cnp_packets_sent_total",
        "Congestion notifications sent for packets marked as congested.",
    ),
    counter(
        "np_ecn_marked_roce_packets",
        "node_infiniband_np_ecn_marked_roce_packets_received_total",
        "RoCE packets received with the mark of congestion.",
    ),
    counter(
        "out_of_buffer",
        "node_infiniband_out_of_buffer_drops_total",
        "Packets dropped because the queue pair had no receive buffer.",
    ),
    counter(
        "out_of_sequence",
        "node_infiniband_out_of_sequence_packets_received_total",
        "Packets received out of sequence.",
    ),
    counter(
        "packet_seq_err",
        "node_infiniband_packet_sequence_errors_total",
        "Negative acknowledgements received for a gap in the sequence.",
    ),
    counter("req_cqe_error", "node_infiniband_req_cqes_errors_total", "Requests that completed with an error."),
    counter(
        "req_cqe_flush_error",
        "node_infiniband_req_cqes_flush_errors_total",
        "Requests that completed as flushed.",
    ),
    counter(
        "req_remote_access_errors",
        "node_infiniband_req_remote_access_errors_total",
        "Requests the other end refused for lack of rights.",
    ),
    counter(
        "req_remote_invalid_request",
        "node_infiniband_req_remote_invalid_request_errors_total",
        "Requests the other end refused as invalid.",
    ),
    counter("resp_cqe_error", "node_infiniband_resp_cqes_errors_total", "Responses that completed with an error."),
    counter(
        "resp_cqe_flush_error",
        "node_infiniband_resp_cqes_flush_errors_total",
        "Responses that completed as flushed.",
    ),
    counter(
        "resp_local_length_error",
        "node_infiniband_resp_local_length_errors_total",
        "Messages received with a length that does not fit.",
    ),
    counter(
        "resp_remote_access_errors",
        "node_infiniband_resp_remote_access_errors_total",
        "Requests received and refused for lack of rights.",
    ),
    counter(
        "rnr_nak_retry_err",
        "node_infiniband_rnr_nak_retry_packets_received_total",
        "Times the other end was not ready to receive.",
    ),
    counter(
        "roce_adp_retrans",
        "node_infiniband_roce_adp_retransmits_total",
        "Adaptive retransmissions of RoCE traffic.",
    ),
    counter(
        "roce_adp_retrans_to",
        "node_infiniband_roce_adp_retransmits_timeout_total",
        "Timeouts that adaptive retransmission of RoCE traffic ran into.",
    ),
    counter("roce_slow_restart", "node_infiniband_roce_slow_restart_used_total", "Times RoCE slow restart was used."),
    counter(
        "roce_slow_restart_cnps",
        "node_infiniband_roce_slow_restart_cnps_total",
        "Congestion notifications made by RoCE slow restart.",
    ),
    counter(
        "roce_slow_restart_trans",
        "node_infiniband_roce_slow_restart_total",
        "Times RoCE slow restart went into its slow state.",
    ),
    counter(
        "rp_cnp_handled",
        "node_infiniband_rp_cnp_packets_handled_total",
        "Congestion notifications received and acted upon.",
    ),
    counter(
        "rp_cnp_ignored",
        "node_infiniband_rp_cnp_ignored_packets_received_total",
        "Congestion notifications received and ignored.",
    ),
    counter("rx_atomic_requests", "node_infiniband_rx_atomic_requests_total", "Atomic requests received."),
    counter(
        "rx_dct_connect",
        "node_infiniband_rx_dct_connect_requests_total",
        "Requests received to connect to a dynamically connected target.",
    ),
    counter(
        "rx_icrc_encapsulated",
        "node_infiniband_rx_icrc_encapsulated_errors_total",
        "RoCE packets received with a bad invariant checksum.",
    ),
    counter("rx_read_requests", "node_infiniband_rx_read_requests_total", "Read requests received."),
    counter("rx_write_requests", "node_infiniband_rx_write_requests_total", "Write requests received."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_families_unique() {
        let mut names: Vec<&str> = Vec::new();
        for (_, rows) in DIRECTORIES {
            assert!(rows.is_sorted_by(|a, b| a.file < b.file));
            names.extend(rows.iter().map(|row| row.desc.name));
        }
        names.sort_unstable();
        assert!(names.is_sorted_by(|a, b| a < b));
    }
}
