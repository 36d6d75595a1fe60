//! The events that have names: what the flags call them, what their families are called, what the kernel calls them.

use crate::kernel::perf_event::Event;

const HARDWARE: u32 = 0;
const SOFTWARE: u32 = 1;
/// Tracepoints, whose `config` is their number.
pub(super) const TRACEPOINT: u32 = 2;
const CACHE: u32 = 3;

/// One event.
pub(super) struct Named {
    /// In the flags.
    pub(super) profiler: &'static str,
    /// Of the family.
    pub(super) family: &'static str,
    /// For the HELP line.
    pub(super) help: &'static str,
    pub(super) event: Event,
}

const fn named(profiler: &'static str, family: &'static str, help: &'static str, kind: u32, config: u64) -> Named {
    Named { profiler, family, help, event: Event { kind, config } }
}

pub(super) const HARDWARE_EVENTS: &[Named] = &[
    named("CpuCycles", "node_perf_cpucycles_total", "Cycles of the CPU.", HARDWARE, 0),
    named("CpuInstr", "node_perf_instructions_total", "Instructions that were completed.", HARDWARE, 1),
    named("CacheRef", "node_perf_cache_refs_total", "Accesses to the last cache.", HARDWARE, 2),
    named("CacheMisses", "node_perf_cache_misses_total", "Accesses that no cache could answer.", HARDWARE, 3),
    named("BranchInstr", "node_perf_branch_instructions_total", "Branches that were completed.", HARDWARE, 4),
    named("BranchMisses", "node_perf_branch_misses_total", "Branches that were predicted wrongly.", HARDWARE, 5),
    named(
        "StalledCyclesFrontend",
        "node_perf_stalled_cycles_frontend_total",
        "Cycles in which no instruction could be issued.",
        HARDWARE,
        7,
    ),
    named(
        "StalledCyclesBackend",
        "node_perf_stalled_cycles_backend_total",
        "Cycles in which no instruction could be completed.",
        HARDWARE,
        8,
    ),
    named(
        "RefCpuCycles",
        "node_perf_ref_cpucycles_total",
        "Cycles of the CPU as if its clock never changed.",
        HARDWARE,
        9,
    ),
];

pub(super) const SOFTWARE_EVENTS: &[Named] = &[
    named("PageFault", "node_perf_page_faults_total", "Page faults.", SOFTWARE, 2),
    named("ContextSwitch", "node_perf_context_switches_total", "Switches from one task to another.", SOFTWARE, 3),
    named("CpuMigration", "node_perf_cpu_migrations_total", "Tasks that came from another CPU.", SOFTWARE, 4),
    named("MinorFault", "node_perf_minor_faults_total", "Page faults that needed no disk.", SOFTWARE, 5),
    named("MajorFault", "node_perf_major_faults_total", "Page faults that needed a disk.", SOFTWARE, 6),
];

const L1D: u64 = 0;
const L1I: u64 = 1;
const LAST: u64 = 2;
const DTLB: u64 = 3;
const ITLB: u64 = 4;
const BRANCHES: u64 = 5;
const READ: u64 = 0;
const WRITE: u64 = 1;
const ACCESS: u64 = 0;
const MISS: u64 = 1;

const fn cache(
    profiler: &'static str,
    family: &'static str,
    help: &'static str,
    cache: u64,
    operation: u64,
    result: u64,
) -> Named {
    named(profiler, family, help, CACHE, cache | operation << 8 | result << 16)
}

pub(super) const CACHE_EVENTS: &[Named] = &[
    cache("L1DataReadHit", "node_perf_cache_l1d_read_hits_total", "Reads of the first data cache.", L1D, READ, ACCESS),
    cache(
        "L1DataReadMiss",
        "node_perf_cache_l1d_read_misses_total",
        "Reads the first data cache missed.",
        L1D,
        READ,
        MISS,
    ),
    cache(
        "L1DataWriteHit",
        "node_perf_cache_l1d_write_hits_total",
        "Writes to the first data cache.",
        L1D,
        WRITE,
        ACCESS,
    ),
    cache(
        "L1InstrReadMiss",
        "node_perf_cache_l1_instr_read_misses_total",
        "Reads the first instruction cache missed.",
        L1I,
        READ,
        MISS,
    ),
    cache("LLReadHit", "node_perf_cache_ll_read_hits_total", "Reads of the last cache.", LAST, READ, ACCESS),
    cache("LLReadMiss", "node_perf_cache_ll_read_misses_total", "Reads the last cache missed.", LAST, READ, MISS),
    cache("LLWriteHit", "node_perf_cache_ll_write_hits_total", "Writes to the last cache.", LAST, WRITE, ACCESS),
    cache("LLWriteMiss", "node_perf_cache_ll_write_misses_total", "Writes the last cache missed.", LAST, WRITE, MISS),
    cache("DataTLBReadHit", "node_perf_cache_tlb_data_read_hits_total", "Reads of the data TLB.", DTLB, READ, ACCESS),
    cache(
        "DataTLBReadMiss",
        "node_perf_cache_tlb_data_read_misses_total",
        "Reads the data TLB missed.",
        DTLB,
        READ,
        MISS,
    ),
    cache(
        "DataTLBWriteHit",
        "node_perf_cache_tlb_data_write_hits_total",
        "Writes by the data TLB.",
        DTLB,
        WRITE,
        ACCESS,
    ),
    cache(
        "DataTLBWriteMiss",
        "node_perf_cache_tlb_data_write_misses_total",
        "Writes the data TLB missed.",
        DTLB,
        WRITE,
        MISS,
    ),
    cache(
        "InstrTLBReadHit",
        "node_perf_cache_tlb_instr_read_hits_total",
        "Reads of the instruction TLB.",
        ITLB,
        READ,
        ACCESS,
    ),
    cache(
        "InstrTLBReadMiss",
        "node_perf_cache_tlb_instr_read_misses_total",
        "Reads the instruction TLB missed.",
        ITLB,
        READ,
        MISS,
    ),
    cache(
        "BPUReadHit",
        "node_perf_cache_bpu_read_hits_total",
        "Reads of the branch predictor.",
        BRANCHES,
        READ,
        ACCESS,
    ),
    cache(
        "BPUReadMiss",
        "node_perf_cache_bpu_read_misses_total",
        "Reads the branch predictor missed.",
        BRANCHES,
        READ,
        MISS,
    ),
];
