// SPDX-License-Identifier: Apache-2.0
//! Archives made by hand, so that they can be wrong.

use std::io::Write;

/// A tar archive in the making.
#[derive(Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    /// Adds an entry: type flag, name, mode, link target, data.
    pub(super) fn entry(
        mut self,
        flag: u8,
        name: &str,
        mode: u32,
        target: &str,
        data: &[u8],
    ) -> Self {
        let mut header = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, name.as_bytes());
        put(100, format!("{mode:07o}\0").as_bytes());
        put(108, b"0001750\0");
        put(116, b"0001750\0");
        put(124, format!("{:011o}\0", data.len()).as_bytes());
        // 1,700,000,000 seconds.
        put(136, b"14524770400\0");
        put(148, b"        ");
        put(156, &[flag]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn file(self, name: &str, data: &[u8]) -> Self {
        self.entry(b'0', name, 0o644, "", data)
    }

    pub(super) fn bytes(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A member of a zip archive, with what can be wrong about it.
pub(super) struct ZipEntry<'z> {
    pub name: &'z str,
    /// In the header before the data.
    pub local_name: Option<&'z str>,
    pub unix_mode: u32,
    pub data: &'z [u8],
    pub is_deflated: bool,
    pub flags: u16,
    pub method: Option<u16>,
    pub checksum_change: u32,
    pub size_change: u32,
}

pub(super) fn zip_entry<'z>(name: &'z str, unix_mode: u32, data: &'z [u8]) -> ZipEntry<'z> {
    ZipEntry {
        name,
        local_name: None,
        unix_mode,
        data,
        is_deflated: true,
        flags: 0,
        method: None,
        checksum_change: 0,
        size_change: 0,
    }
}

pub(super) fn zip(entries: &[ZipEntry<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = u32::try_from(bytes.len()).unwrap();
        let packed = if entry.is_deflated {
            let level = flate2::Compression::fast();
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(entry.data).unwrap();
            encoder.finish().unwrap()
        } else {
            entry.data.to_vec()
        };
        let mut sum = flate2::Crc::new();
        sum.update(entry.data);
        let method = entry.method.unwrap_or(if entry.is_deflated { 8 } else { 0 });
        let mut common = Vec::new();
        common.extend(entry.flags.to_le_bytes());
        common.extend(method.to_le_bytes());
        // 2024-02-29 12:34:56.
        common.extend([0x5c, 0x64, 0x5d, 0x58]);
        common.extend((sum.sum() ^ entry.checksum_change).to_le_bytes());
        common.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        let size = u32::try_from(entry.data.len()).unwrap() + entry.size_change;
        common.extend(size.to_le_bytes());
        let local_name = entry.local_name.unwrap_or(entry.name);
        bytes.extend(b"PK\x03\x04\x14\0");
        bytes.extend(&common);
        bytes.extend(u16::try_from(local_name.len()).unwrap().to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(local_name.as_bytes());
        bytes.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x03\x14\0");
        directory.extend(&common);
        directory.extend(u16::try_from(entry.name.len()).unwrap().to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((entry.unix_mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.name.as_bytes());
    }
    let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
    let offset = u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count, count].concat());
    bytes.extend([size, offset].concat());
    bytes.extend([0, 0]);
    bytes
}
