// SPDX-License-Identifier: Apache-2.0
//! Pictures that a browser takes: enough of PNG to see whether anything is on them.

use std::collections::BTreeMap;
use std::io::Read as _;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its width, in pixels.
    pub width: usize,
    /// Its height, in pixels.
    pub height: usize,
    /// Red, green, blue of all pixels, line by line.
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// Reads a PNG of 8 bits with three or four channels, not interlaced.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(png: &[u8]) -> Result<Self, String> {
        let mut rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n").ok_or("no PNG")?;
        let (mut head, mut data) = (None, Vec::new());
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (kind, after) = after.split_first_chunk::<4>().ok_or("a chunk without a kind")?;
            let chunk = after.get(..length).ok_or("a chunk that is cut off")?;
            match kind {
                b"IHDR" => head = chunk.first_chunk::<13>().copied(),
                b"IDAT" => data.extend_from_slice(chunk),
                _ => {}
            }
            rest = after.get(length + 4..).ok_or("a chunk without a sum")?;
        }
        let head = head.ok_or("no head")?;
        let number =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (width, height) = (number(0) as usize, number(4) as usize);
        let channels = match head[8..13] {
            [8, 2, 0, 0, 0] => 3,
            [8, 6, 0, 0, 0] => 4,
            _ => return Err(format!("a form that is not read here: {:?}", &head[8..])),
        };
        if width == 0 || height == 0 || width.saturating_mul(height) > 100_000_000 {
            return Err(format!("{width} times {height} pixels"));
        }
        let line = width * channels + 1;
        let mut raw = Vec::new();
        let most = (line * height) as u64 + 1;
        let mut inflated = flate2::read::ZlibDecoder::new(data.as_slice()).take(most);
        inflated.read_to_end(&mut raw).map_err(|error| error.to_string())?;
        if raw.len() != line * height {
            return Err(format!("{} bytes for {height} lines of {line}", raw.len()));
        }
        let mut above = vec![0; line - 1];
        let mut pixels = Vec::with_capacity(width * height);
        for bytes in raw.chunks_exact(line) {
            let (filter, bytes) = bytes.split_first().ok_or("no filter")?;
            above = unfiltered(*filter, bytes, &above, channels)?;
            pixels.extend(above.chunks_exact(channels).map(|it| [it[0], it[1], it[2]]));
        }
        Ok(Self { width, height, pixels })
    }

    /// Returns its upper left corner, at most that large.
    #[must_use]
    pub fn corner(&self, width: usize, height: usize) -> Self {
        let (width, height) = (width.clamp(1, self.width), height.clamp(1, self.height));
        let lines = self.pixels.chunks_exact(self.width).take(height);
        let pixels = lines.flat_map(|line| &line[..width]).copied().collect();
        Self { width, height, pixels }
    }

    /// Returns how many pixels each colour has.
    pub fn colors(&self) -> BTreeMap<[u8; 3], usize> {
        let mut colors = BTreeMap::new();
        for pixel in &self.pixels {
            *colors.entry(*pixel).or_default() += 1;
        }
        colors
    }

    /// Returns whether it is one colour, but for less than a thousandth of it.
    pub fn is_blank(&self) -> bool {
        let most = self.colors().into_values().max().unwrap_or_default();
        self.pixels.len() - most < self.pixels.len() / 1_000
    }
}

/// Undoes the filter of a line (PNG, section 9).
fn unfiltered(filter: u8, bytes: &[u8], above: &[u8], step: usize) -> Result<Vec<u8>, String> {
    let mut line: Vec<u8> = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        let (left, corner) = match at.checked_sub(step) {
            Some(before) => (line[before], above[before]),
            None => (0, 0),
        };
        let up = above[at];
        let guess = match filter {
            0 => 0,
            1 => left,
            2 => up,
            3 => left.midpoint(up),
            4 => paeth(left, up, corner),
            other => return Err(format!("filter {other}")),
        };
        line.push(byte.wrapping_add(guess));
    }
    Ok(line)
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let estimate = i16::from(left) + i16::from(up) - i16::from(corner);
    let off = |value: u8| (estimate - i16::from(value)).abs();
    if off(left) <= off(up) && off(left) <= off(corner) {
        left
    } else if off(up) <= off(corner) {
        up
    } else {
        corner
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn png(head: [u8; 13], lines: &[u8]) -> Vec<u8> {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(lines).unwrap();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        for (kind, data) in
            [(b"IHDR", &head[..]), (b"IDAT", &zlib.finish().unwrap()), (b"IEND", &[])]
        {
            png.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            png.extend(kind);
            png.extend(data);
            // Nobody looks at the sum.
            png.extend([0; 4]);
        }
        png
    }

    fn head(width: u8, height: u8, form: [u8; 5]) -> [u8; 13] {
        let mut head = [0; 13];
        (head[3], head[7]) = (width, height);
        head[8..].copy_from_slice(&form);
        head
    }

    const RGB: [u8; 5] = [8, 2, 0, 0, 0];

    #[test]
    fn filters() {
        // The same two lines of two pixels, by each filter.
        let (first, second) = ([[10, 20, 30], [40, 50, 60]], [[12, 24, 36], [48, 60, 72]]);
        for (filter, line) in [
            (0, [12, 24, 36, 48, 60, 72]),
            (1, [12, 24, 36, 36, 36, 36]),
            (2, [2, 4, 6, 8, 10, 12]),
            (3, [7, 14, 21, 22, 23, 24]),
            (4, [2, 4, 6, 8, 10, 12]),
        ] {
            let lines = [&[0, 10, 20, 30, 40, 50, 60, filter][..], &line].concat();
            let picture = Picture::parse(&png(head(2, 2, RGB), &lines)).unwrap();
            assert_eq!(picture.pixels, [first, second].concat(), "{filter}");
        }
    }

    #[test]
    fn what_is_no_picture() {
        let good = png(head(1, 1, RGB), &[0, 1, 2, 3]);
        assert_eq!(Picture::parse(&good).unwrap().pixels, [[1, 2, 3]]);
        for (summary, bytes) in [
            ("nothing", Vec::new()),
            ("text", b"GIF89a".to_vec()),
            ("cut off", good[..good.len() - 20].to_vec()),
            ("no lines", png(head(1, 2, RGB), &[0, 1, 2, 3])),
            ("too many", png(head(1, 1, RGB), &[0, 1, 2, 3, 4])),
            ("no pixels", png(head(0, 1, RGB), &[])),
            ("a palette", png(head(1, 1, [8, 3, 0, 0, 0]), &[0, 1])),
            ("interlaced", png(head(1, 1, [8, 2, 0, 0, 1]), &[0, 1, 2, 3])),
            ("a filter", png(head(1, 1, RGB), &[9, 1, 2, 3])),
        ] {
            assert!(Picture::parse(&bytes).is_err(), "{summary}");
        }
    }

    #[test]
    fn blank_is_one_color() {
        let of = |pixels: Vec<[u8; 3]>| Picture { width: pixels.len(), height: 1, pixels };
        assert!(of(vec![[255; 3]; 10_000]).is_blank());
        assert!(of([vec![[255; 3]; 9_999], vec![[0; 3]; 1]].concat()).is_blank());
        assert!(!of([vec![[255; 3]; 9_000], vec![[0; 3]; 1_000]].concat()).is_blank());
    }
}
