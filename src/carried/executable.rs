//! Static Linux executables, as an image without anything else needs them.

use super::Arch;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian, elf};

/// An executable for one architecture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Executable<'a> {
    /// What it runs on.
    pub arch: Arch,
    /// A static ELF executable.
    pub bytes: &'a [u8],
}

/// A file that is no executable of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExecutable {
    /// Something else.
    #[error("it is no 64-bit executable for Linux")]
    Format,
    /// For another machine, by its number in ELF.
    #[error("it is for another machine (ELF {0}) than amd64 and arm64")]
    Machine(u16),
    /// One that is not whole without libraries, which an image without anything else does not have.
    #[error("it is linked dynamically; build it with `--target {}`", .0.target())]
    Dynamic(Arch),
}

impl<'a> Executable<'a> {
    /// What these bytes are.
    pub fn read(bytes: &'a [u8]) -> Result<Self, NotExecutable> {
        let format = |_: object::Error| NotExecutable::Format;
        let header = elf::FileHeader64::<LittleEndian>::parse(bytes).map_err(format)?;
        let endian = header.endian().map_err(format)?;
        if !matches!(header.e_type(endian), elf::ET_EXEC | elf::ET_DYN) {
            return Err(NotExecutable::Format);
        }
        let arch = match header.e_machine(endian) {
            elf::EM_X86_64 => Arch::Amd64,
            elf::EM_AARCH64 => Arch::Arm64,
            other => return Err(NotExecutable::Machine(other)),
        };
        let segments = header.program_headers(endian, bytes).map_err(format)?;
        if !segments.iter().any(|segment| segment.p_type(endian) == elf::PT_LOAD) {
            return Err(NotExecutable::Format);
        }
        if segments.iter().any(|segment| segment.p_type(endian) == elf::PT_INTERP) {
            return Err(NotExecutable::Dynamic(arch));
        }
        Ok(Self { arch, bytes })
    }
}

impl std::fmt::Debug for Executable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nobody wants to see the bytes.
        f.debug_struct("Executable").field("arch", &self.arch).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header and program headers of these types, with nothing behind them.
    fn file(machine: u16, kind: u16, segments: &[u32]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        for half in [kind, machine] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(1u32.to_le_bytes());
        for word in [0u64, 64, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(0u32.to_le_bytes());
        for half in [64u16, 56, u16::try_from(segments.len()).unwrap(), 0, 0, 0] {
            bytes.extend(half.to_le_bytes());
        }
        for segment in segments {
            bytes.extend(segment.to_le_bytes());
            bytes.resize(bytes.len() + 52, 0);
        }
        bytes
    }

    #[test]
    fn what_is_no_static_executable_is_told_apart() {
        use NotExecutable::{Dynamic, Format, Machine};
        let (load, interpreter) = (elf::PT_LOAD, elf::PT_INTERP);
        let rows = [
            ("static", file(62, elf::ET_EXEC, &[load]), Ok(Arch::Amd64)),
            ("static, wherever it is loaded", file(183, elf::ET_DYN, &[load]), Ok(Arch::Arm64)),
            ("dynamic", file(62, elf::ET_DYN, &[interpreter, load]), Err(Dynamic(Arch::Amd64))),
            ("a library's part", file(62, elf::ET_REL, &[]), Err(Format)),
            ("nothing to load", file(62, elf::ET_EXEC, &[]), Err(Format)),
            ("RISC-V", file(243, elf::ET_EXEC, &[load]), Err(Machine(243))),
            ("a script", b"#!/bin/sh\n".to_vec(), Err(Format)),
            ("cut short", file(62, elf::ET_EXEC, &[load])[..80].to_vec(), Err(Format)),
            ("empty", Vec::new(), Err(Format)),
        ];
        for (name, bytes, want) in rows {
            assert_eq!(Executable::read(&bytes).map(|executable| executable.arch), want, "{name}");
        }
    }
}
