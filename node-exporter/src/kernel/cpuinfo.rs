//! Parser of `/proc/cpuinfo`, whose layout each architecture makes up for itself.
//!
//! * Source: the `show_cpuinfo` functions below `arch/` in the kernel.
//! * Layout: lines `key : value`; a line with the number of a CPU begins its block. What stands before the first block
//!   goes for all CPUs. Keys we do not know are skipped, values are kept letter by letter.

use common::error::BadField;
use common::fields::{lines, parse_f64, parse_u64};
use common::fuzzing::{Parser, eat};

use super::MOST_CPUS;

/// Whose keys to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// 32 and 64 bit PCs.
    X86,
    /// 32 and 64 bit ARM.
    Arm,
    /// MIPS, both byte orders.
    Mips,
    /// LoongArch.
    Loong,
    /// POWER and PowerPC.
    Power,
    /// RISC-V.
    Riscv,
    /// IBM mainframes.
    S390,
}

impl Layout {
    /// The layout of the machine this is compiled for.
    pub(crate) const HERE: Self = if cfg!(any(target_arch = "aarch64", target_arch = "arm")) {
        Self::Arm
    } else if cfg!(any(target_arch = "mips", target_arch = "mips64")) {
        Self::Mips
    } else if cfg!(target_arch = "loongarch64") {
        Self::Loong
    } else if cfg!(any(target_arch = "powerpc", target_arch = "powerpc64")) {
        Self::Power
    } else if cfg!(any(target_arch = "riscv32", target_arch = "riscv64")) {
        Self::Riscv
    } else if cfg!(target_arch = "s390x") {
        Self::S390
    } else {
        Self::X86
    };
}

/// What the kernel tells about one CPU; empty is what it does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuInfo<'t> {
    /// Number of the CPU.
    pub(crate) number: u32,
    /// Number of the line that begins its block.
    pub(crate) line: u32,
    pub(crate) vendor: &'t [u8],
    pub(crate) family: &'t [u8],
    pub(crate) model: &'t [u8],
    pub(crate) model_name: &'t [u8],
    pub(crate) stepping: &'t [u8],
    pub(crate) microcode: &'t [u8],
    /// Clock in MHz, with the unit on some architectures.
    pub(crate) clock: &'t [u8],
    pub(crate) cache_size: &'t [u8],
    pub(crate) package: &'t [u8],
    pub(crate) core: &'t [u8],
    /// Features, separated by blanks.
    pub(crate) flags: &'t [u8],
    /// Known faults, separated by blanks.
    pub(crate) bugs: &'t [u8],
}

impl<'t> CpuInfo<'t> {
    /// Clock in hertz; `None` when it is not told, an error when it is no number.
    pub(crate) fn hertz(&self) -> Result<Option<f64>, BadField> {
        let megahertz = self.clock.trim_ascii();
        let megahertz = megahertz.strip_suffix(b"MHz").unwrap_or(megahertz).trim_ascii();
        if megahertz.is_empty() {
            return Ok(None);
        }
        let number = parse_f64(megahertz).ok_or_else(|| BadField::new(self.line, "clock", "a number", self.clock))?;
        Ok(Some(number * 1e6))
    }

    fn field(&mut self, field: Field) -> &mut &'t [u8] {
        match field {
            Field::Vendor => &mut self.vendor,
            Field::Family => &mut self.family,
            Field::Model => &mut self.model,
            Field::ModelName => &mut self.model_name,
            Field::Stepping => &mut self.stepping,
            Field::Microcode => &mut self.microcode,
            Field::Clock => &mut self.clock,
            Field::CacheSize => &mut self.cache_size,
            Field::Package => &mut self.package,
            Field::Core => &mut self.core,
            Field::Flags => &mut self.flags,
            Field::Bugs => &mut self.bugs,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Vendor,
    Family,
    Model,
    ModelName,
    Stepping,
    Microcode,
    Clock,
    CacheSize,
    Package,
    Core,
    Flags,
    Bugs,
}

const FIELDS: [Field; 12] = [
    Field::Vendor,
    Field::Family,
    Field::Model,
    Field::ModelName,
    Field::Stepping,
    Field::Microcode,
    Field::Clock,
    Field::CacheSize,
    Field::Package,
    Field::Core,
    Field::Flags,
    Field::Bugs,
];

/// What a line is about.
enum Line {
    /// Begins the block of the CPU with this number, or goes on with it.
    Cpu,
    /// Tells something about the CPU of the block, or about all before the first block.
    Own(Field),
    /// Tells something about all CPUs wherever it stands.
    Shared(Field),
}

fn line_of(layout: Layout, key: &[u8]) -> Option<Line> {
    use Field::*;
    use Line::{Cpu, Own, Shared};
    Some(match (layout, key) {
        (Layout::S390, b"cpu number") => Cpu,
        (_, b"processor") => Cpu,
        (Layout::X86, b"vendor_id" | b"vendor") => Own(Vendor),
        (Layout::X86, b"cpu family") => Own(Family),
        (Layout::X86, b"model") => Own(Model),
        (Layout::X86 | Layout::Arm, b"model name") => Own(ModelName),
        (Layout::X86, b"stepping") => Own(Stepping),
        (Layout::X86, b"microcode") => Own(Microcode),
        (Layout::X86, b"cpu MHz") => Own(Clock),
        (Layout::X86, b"cache size") => Own(CacheSize),
        (Layout::X86 | Layout::S390, b"physical id") => Own(Package),
        (Layout::X86 | Layout::S390, b"core id") => Own(Core),
        (Layout::X86, b"flags") => Own(Flags),
        (Layout::X86, b"bugs") => Own(Bugs),
        // Kernels before 3.8 name the model once on top, and the features once at the end.
        (Layout::Arm, b"Processor") => Shared(ModelName),
        (Layout::Arm, b"Features") => Shared(Flags),
        (Layout::Mips | Layout::Loong, b"system type") => Shared(Vendor),
        (Layout::Mips, b"cpu model") => Own(ModelName),
        (Layout::Loong, b"CPU Family") => Own(Family),
        (Layout::Loong, b"Model Name") => Own(ModelName),
        (Layout::Power, b"cpu") => Own(Vendor),
        (Layout::Power, b"clock") => Own(Clock),
        (Layout::Riscv, b"hart") => Own(Core),
        (Layout::Riscv, b"isa") => Own(ModelName),
        (Layout::S390, b"vendor_id") => Shared(Vendor),
        (Layout::S390, b"features") => Shared(Flags),
        (Layout::S390, b"cpu MHz dynamic" | b"cpu MHz static") => Own(Clock),
        _ => return None,
    })
}

/// The CPUs in the order of the file.
///
/// Fails when a CPU has no number, and when there is none at all.
pub(crate) fn parse(layout: Layout, text: &[u8]) -> Result<Vec<CpuInfo<'_>>, BadField> {
    let mut cpus: Vec<CpuInfo<'_>> = Vec::new();
    let mut shared = CpuInfo::default();
    let mut current = None;
    for (line_number, line) in lines(text) {
        let Some((key, value)) = split(line) else { continue };
        // Mainframes begin with a summary in which the number belongs to the key: `processor 0: version = …`.
        let (key, value) = match key.strip_prefix(b"processor ") {
            Some(number) if layout == Layout::S390 => (&b"processor"[..], number),
            _ => (key, value),
        };
        match line_of(layout, key) {
            Some(Line::Cpu) => {
                let number = parse_u64(value.trim_ascii()).and_then(|number| u32::try_from(number).ok());
                let number =
                    number.ok_or_else(|| BadField::new(line_number, "number of the CPU", "a whole number", value))?;
                if cpus.len() >= MOST_CPUS {
                    break;
                }
                // Only mainframes come back to a CPU; they count them upwards both times.
                let known = match layout {
                    Layout::S390 => cpus.binary_search_by_key(&number, |cpu| cpu.number).ok(),
                    _ => None,
                };
                current = Some(known.unwrap_or(cpus.len()));
                if known.is_none() {
                    cpus.push(CpuInfo { number, line: line_number, ..CpuInfo::default() });
                }
            }
            Some(Line::Own(field)) => {
                let cpu = current.and_then(|at| cpus.get_mut(at)).unwrap_or(&mut shared);
                let slot = cpu.field(field);
                if slot.is_empty() {
                    *slot = value;
                }
            }
            Some(Line::Shared(field)) => *shared.field(field) = value,
            None => {}
        }
    }
    if cpus.is_empty() && layout == Layout::Arm && !shared.model_name.is_empty() {
        cpus.push(CpuInfo::default());
    }
    if cpus.is_empty() {
        let first = lines(text).next().map_or(&b""[..], |(_, line)| line);
        return Err(BadField::new(1, "processor", "the number of a CPU", first));
    }
    for cpu in &mut cpus {
        for field in FIELDS {
            let default = *shared.field(field);
            let slot = cpu.field(field);
            if slot.is_empty() {
                *slot = default;
            }
        }
    }
    Ok(cpus)
}

/// Key and value; the value keeps every blank but the one after the colon.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (key, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    Some((key.trim_ascii(), value.strip_prefix(b" ").unwrap_or(value)))
}

/// For the fuzzer.
pub(crate) const PARSER: Parser =
    Parser::new("cpuinfo", |bytes| {
        use Layout::{Arm, Loong, Mips, Power, Riscv, S390, X86};
        for layout in [X86, Arm, Mips, Loong, Power, Riscv, S390] {
            eat(parse(layout, bytes));
        }
    }, b"processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Xeon\nstepping\t: 8\n\
      microcode\t: 0x2b\ncpu MHz\t\t: 2000.125\ncache size\t: 30720 KB\nphysical id\t: 0\ncore id\t\t: 1\nflags\t\t: fpu aes\n\
      bugs\t\t: x y\n\nprocessor 1: version = FF, identification = 1, machine = 8561\ncpu MHz dynamic : 5200\n\nprocessor\t: 1\n\
      hart\t: 2\nisa\t: rv64imac\nclock\t\t: 2750.000000MHz\nrevision\t: 2.1\n\n");

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per CPU: the fields that are not empty.
    #[track_caller]
    fn check(layout: Layout, text: &str, want: &[&str]) {
        let got = match parse(layout, text.as_bytes()) {
            Ok(cpus) => cpus.into_iter().map(show).collect(),
            Err(bad) => vec![bad.to_string()],
        };
        assert_eq!(got, want);
    }

    fn show(mut cpu: CpuInfo<'_>) -> String {
        let mut text = cpu.number.to_string();
        for field in FIELDS {
            let value = *cpu.field(field);
            if !value.is_empty() {
                text.push_str(&format!(" {field:?}={}", String::from_utf8_lossy(value)));
            }
        }
        text
    }

    #[test]
    fn x86() {
        check(
            Layout::X86,
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t:  EPYC 7\n\
             stepping\t: 1\nmicrocode\t: 0xa001\ncpu MHz\t\t: 2445.4\ncache size\t: 512 KB\nphysical id\t: 1\n\
             siblings\t: 64\ncore id\t\t: 3\nflags\t\t: fpu sse\nbugs\t\t: spectre_v1\npower management: ts ttp\n\n\
             processor\t: 1\nvendor_id\t: AuthenticAMD\nbugs\t\t:\n",
            &[
                "0 Vendor=AuthenticAMD Family=25 Model=1 ModelName= EPYC 7 Stepping=1 Microcode=0xa001 Clock=2445.4 \
                 CacheSize=512 KB Package=1 Core=3 Flags=fpu sse Bugs=spectre_v1",
                "1 Vendor=AuthenticAMD",
            ],
        );
    }

    #[test]
    fn arm() {
        check(
            Layout::Arm,
            "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\nCPU part\t: 0xd0c\n\nprocessor\t: 1\n\
             model name\t: Neoverse\nFeatures\t: fp asimd\n",
            &["0 Flags=fp asimd", "1 ModelName=Neoverse Flags=fp asimd"],
        );
        check(
            Layout::Arm,
            "Processor\t: ARMv7 rev 2\nprocessor\t: 0\nBogoMIPS\t: 1\n\nprocessor\t: 1\n\nFeatures\t: swp\n",
            &["0 ModelName=ARMv7 rev 2 Flags=swp", "1 ModelName=ARMv7 rev 2 Flags=swp"],
        );
        check(Layout::Arm, "Processor\t: ARM926\nBogoMIPS\t: 1\nFeatures : swp\n", &["0 ModelName=ARM926 Flags=swp"]);
    }

    #[test]
    fn mips_and_loongarch() {
        check(
            Layout::Mips,
            "system type\t\t: MT7621\nmachine\t: x\nprocessor\t: 0\ncpu model\t: 1004Kc V2.15\n\nprocessor\t: 1\n",
            &["0 Vendor=MT7621 ModelName=1004Kc V2.15", "1 Vendor=MT7621"],
        );
        check(
            Layout::Loong,
            "system type\t: generic\n\nprocessor\t\t: 0\nCPU Family\t\t: Loongson-64bit\nModel Name\t: 3A5000\n",
            &["0 Vendor=generic Family=Loongson-64bit ModelName=3A5000"],
        );
    }

    #[test]
    fn power_and_riscv() {
        let text = "processor\t: 8\ncpu\t\t: POWER9, altivec supported\nclock\t\t: 3800.000000MHz\n\nmodel\t: x\n";
        check(Layout::Power, text, &["8 Vendor=POWER9, altivec supported Clock=3800.000000MHz"]);
        assert_eq!(parse(Layout::Power, text.as_bytes()).unwrap()[0].hertz(), Ok(Some(3.8e9)));
        check(Layout::Riscv, "processor\t: 0\nhart\t: 1\nisa\t: rv64imac\n", &["0 ModelName=rv64imac Core=1"]);
    }

    #[test]
    fn s390() {
        check(
            Layout::S390,
            "vendor_id       : IBM/S390\n# processors    : 2\nfeatures\t: esan3 zarch\n\
             processor 0: version = FF,  machine = 2964\nprocessor 1: version = FF,  machine = 2964\n\n\
             cpu number      : 0\nphysical id     : 2\ncore id         : 1\ncpu MHz dynamic : 5000\n\
             cpu MHz static  : 4900\n\ncpu number      : 1\ncpu MHz static  : 4900\n",
            &[
                "0 Vendor=IBM/S390 Clock=5000 Package=2 Core=1 Flags=esan3 zarch",
                "1 Vendor=IBM/S390 Clock=4900 Flags=esan3 zarch",
            ],
        );
    }

    #[test]
    fn cut_short_and_garbage() {
        check(Layout::X86, "", &["1: processor: expected the number of a CPU, found \"\""]);
        check(Layout::X86, "processor", &["1: processor: expected the number of a CPU, found \"processor\""]);
        check(Layout::X86, "processor : x\n", &["1: number of the CPU: expected a whole number, found \"x\""]);
        check(Layout::X86, "processor : 0\nvendor_id", &["0"]);
        assert!(parse(Layout::S390, b"\xff:\n:\n\0").is_err());
        let bad = CpuInfo { clock: b"fast", ..CpuInfo::default() };
        assert!(bad.hertz().is_err());
        assert_eq!(CpuInfo::default().hertz(), Ok(None));
    }

    #[test]
    fn no_text_is_too_strange() {
        let text = b"system type : x\nprocessor 3: a\nprocessor : 1\ncpu number : 3\nflags: a\n: :\n\xff : \xfe\n";
        let layouts =
            [Layout::X86, Layout::Arm, Layout::Mips, Layout::Loong, Layout::Power, Layout::Riscv, Layout::S390];
        for layout in layouts {
            for end in 0..=text.len() {
                for start in 0..=end {
                    let _parsed_or_refused = parse(layout, &text[start..end]);
                }
            }
        }
    }
}
