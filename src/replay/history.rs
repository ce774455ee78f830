//! Sorts any number of denials by event time: in pieces that fit into memory, which are kept
//! in a temporary file and merged when they are read.
//!
//! A denial takes some 130 bytes in the file. Memory holds one piece, one block of each piece
//! in the file, and the principals.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::packed::{Packed, after_key, by_key, pack, unpack};
use crate::cloudtrail::{Denial, Principal};
use crate::detection::window::{SECONDS_PER_DAY, SECONDS_PER_WEEK};

/// Bytes of denials that are sorted in memory.
const PIECE_BYTES: usize = 32 << 20;
/// Bytes of a piece for one read or write of the file.
const BLOCK_BYTES: usize = 128 << 10;

/// The denials of a replay, by event time, then event id, then the order of the input.
pub struct History {
    principals: Vec<Arc<Principal>>,
    spilled: Option<Spilled>,
    last: Piece,
    len: u64,
    period: Option<(Timestamp, Timestamp)>,
}

/// Sorted pieces that did not fit into memory.
struct Spilled {
    file: Mutex<File>,
    /// Start and end of each piece in the file.
    pieces: Vec<(u64, u64)>,
}

/// Packed denials in memory.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    /// Start and end of each denial in `bytes`.
    places: Vec<(u32, u32)>,
}

/// Takes denials in any order.
#[derive(Default)]
pub struct Collector {
    principals: Principals,
    spilled: Option<Spilled>,
    piece: Piece,
    piece_bytes: Option<usize>,
    len: u64,
    period: Option<(Timestamp, Timestamp)>,
}

#[derive(Default)]
struct Principals {
    numbers: HashMap<Arc<Principal>, u32>,
    all: Vec<Arc<Principal>>,
}

impl Collector {
    /// For tests of small pieces.
    pub fn with_pieces_of(bytes: usize) -> Self {
        Self { piece_bytes: Some(bytes), ..Self::default() }
    }

    pub fn push(&mut self, denial: &Denial) -> Result<(), HistoryError> {
        let principal = self.principals.number(denial.principal());
        let bytes = &mut self.piece.bytes;
        let start = offset(bytes.len())?;
        pack(bytes, denial, principal)?;
        let end = offset(bytes.len())?;
        self.piece.places.push((start, end));
        self.len += 1;
        let time = denial.time();
        let (first, last) = self.period.unwrap_or((time, time));
        self.period = Some((first.min(time), last.max(time)));
        if self.piece.size() >= self.piece_bytes.unwrap_or(PIECE_BYTES) {
            self.spill()?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> History {
        self.piece.sort();
        History {
            principals: self.principals.all,
            spilled: self.spilled,
            last: self.piece,
            len: self.len,
            period: self.period,
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.piece.sort();
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            // A file without a name is deleted when the process ends, however it ends.
            none => {
                none.insert(Spilled { file: Mutex::new(tempfile::tempfile()?), pieces: Vec::new() })
            }
        };
        let file = spilled.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let begin = file.seek(SeekFrom::End(0))?;
        let mut writer = BufWriter::with_capacity(BLOCK_BYTES, &mut *file);
        let mut end = begin;
        for record in self.piece.records() {
            let length = offset(record.len())?.to_le_bytes();
            writer.write_all(&length)?;
            writer.write_all(record)?;
            end += (length.len() + record.len()) as u64;
        }
        writer.flush()?;
        drop(writer);
        spilled.pieces.push((begin, end));
        self.piece.bytes.clear();
        self.piece.places.clear();
        Ok(())
    }
}

impl Principals {
    fn number(&mut self, principal: &Arc<Principal>) -> u32 {
        if let Some(number) = self.numbers.get(principal) {
            return *number;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.numbers.insert(Arc::clone(principal), number);
        self.all.push(Arc::clone(principal));
        number
    }
}

impl Piece {
    fn size(&self) -> usize {
        self.bytes.len() + size_of_val(&self.places[..])
    }

    fn record(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.bytes[start as usize..end as usize]
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|place| self.record(*place))
    }

    fn sort(&mut self) {
        let mut places = std::mem::take(&mut self.places);
        // A stable sort: denials of the same key stay in the order of the input.
        places.sort_by(|a, b| by_key(self.record(*a), self.record(*b)));
        self.places = places;
    }
}

impl History {
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Times of the first and the last denial. `None` without denials.
    pub fn period(&self) -> Option<(Timestamp, Timestamp)> {
        self.period
    }

    /// Days between the first and the last denial.
    pub fn days(&self) -> f64 {
        self.period.map_or(0.0, |(first, last)| {
            last.duration_since(first).as_secs_f64() / SECONDS_PER_DAY as f64
        })
    }

    /// The week in which a time lies, counted from 0 at the first denial.
    pub fn week_of(&self, time: Timestamp) -> i64 {
        self.period
            .map_or(0, |(first, _)| (time.as_second() - first.as_second()) / SECONDS_PER_WEEK)
    }

    /// All principals, in the order of their first denials in the input.
    pub fn principals(&self) -> &[Arc<Principal>] {
        &self.principals
    }

    /// All denials in order. Several threads may read at the same time.
    pub fn denials(&self) -> Result<Denials<'_>, HistoryError> {
        self.denials_of(|_| true)
    }

    /// The denials of some principals, in order.
    pub fn denials_of(
        &self,
        wanted: impl Fn(&Principal) -> bool,
    ) -> Result<Denials<'_>, HistoryError> {
        let wanted = self.principals.iter().map(|principal| wanted(principal)).collect();
        let mut denials = Denials { history: self, wanted, heads: BinaryHeap::new() };
        let spilled = self.spilled.iter().flat_map(|spilled| {
            spilled.pieces.iter().map(|(begin, end)| {
                let section = Section { file: &spilled.file, at: *begin, end: *end };
                Rest::Spilled(BufReader::with_capacity(BLOCK_BYTES, section))
            })
        });
        for (piece, rest) in spilled.chain([Rest::InMemory(0)]).enumerate() {
            denials.advance(Head { piece, rest, record: Vec::new() })?;
        }
        Ok(denials)
    }
}

/// Why a history cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the temporary file: {0}")]
    File(#[from] io::Error),
    #[error("the temporary file was changed: {0}")]
    Packed(#[from] postcard::Error),
}

pub struct Denials<'a> {
    history: &'a History,
    wanted: Vec<bool>,
    heads: BinaryHeap<Head<'a>>,
}

/// The next denial of a piece, and the rest of the piece.
struct Head<'a> {
    piece: usize,
    rest: Rest<'a>,
    record: Vec<u8>,
}

enum Rest<'a> {
    /// How many denials of the piece in memory were taken.
    InMemory(usize),
    Spilled(BufReader<Section<'a>>),
}

impl<'a> Denials<'a> {
    fn advance(&mut self, mut head: Head<'a>) -> io::Result<()> {
        head.record.clear();
        match &mut head.rest {
            Rest::InMemory(taken) => {
                let Some(place) = self.history.last.places.get(*taken) else { return Ok(()) };
                *taken += 1;
                head.record.extend_from_slice(self.history.last.record(*place));
            }
            Rest::Spilled(reader) => {
                let mut length = [0; 4];
                match reader.read_exact(&mut length) {
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                    read => read?,
                }
                head.record.resize(u32::from_le_bytes(length) as usize, 0);
                reader.read_exact(&mut head.record)?;
            }
        }
        self.heads.push(head);
        Ok(())
    }

    fn next_wanted(&mut self) -> Result<Option<Denial>, HistoryError> {
        while let Some(head) = self.heads.pop() {
            let packed: Packed<'_> = postcard::from_bytes(after_key(&head.record))?;
            let denial = self.wanted[packed.principal as usize]
                .then(|| unpack(&head.record, packed, &self.history.principals));
            self.advance(head)?;
            if denial.is_some() {
                return Ok(denial);
            }
        }
        Ok(None)
    }
}

impl Iterator for Denials<'_> {
    type Item = Result<Denial, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_wanted().transpose()
    }
}

impl Ord for Head<'_> {
    /// The heap takes the greatest first: the earliest denial, and of equal ones that of the
    /// piece that was collected first.
    fn cmp(&self, other: &Self) -> Ordering {
        by_key(&other.record, &self.record).then(other.piece.cmp(&self.piece))
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head<'_> {}

/// A part of a file that others read too.
struct Section<'a> {
    file: &'a Mutex<File>,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(&mut buffer[..wanted])?;
        self.at += read as u64;
        Ok(read)
    }
}

fn offset(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(io::Error::other)
}
