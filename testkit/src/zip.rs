// SPDX-License-Identifier: Apache-2.0
//! Zip archives.

use std::io::Write;

/// Makes a zip archive of names and data; members with `true` are compressed.
pub fn zip(members: &[(&str, &[u8], bool)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for (name, data, is_deflated) in members {
        let offset = u32::try_from(bytes.len()).expect("it is small");
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let packed = if *is_deflated {
            let level = flate2::Compression::best();
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(data).expect("it is small");
            encoder.finish().expect("it is small")
        } else {
            data.to_vec()
        };
        let mut common = Vec::new();
        common.extend(20_u16.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        common.extend((if *is_deflated { 8_u16 } else { 0 }).to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc.sum().to_le_bytes());
        common.extend(u32::try_from(packed.len()).expect("it is small").to_le_bytes());
        common.extend(u32::try_from(data.len()).expect("it is small").to_le_bytes());
        common.extend(u16::try_from(name.len()).expect("it is small").to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(packed);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let offset = u32::try_from(bytes.len()).expect("it is small");
    let count = u16::try_from(members.len()).expect("it is small");
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(u32::try_from(directory.len()).expect("it is small").to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}
