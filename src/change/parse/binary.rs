//! The data of a `GIT binary patch`: skipped, but only if it is whole. It must not decode anything.

use super::{ParseError, Parser, shown, trim_cr};

impl Parser<'_> {
    /// Skips the data of a `GIT binary patch`, which must be whole: one block for the way there, perhaps one for the way back.
    pub(super) fn binary_patch(&mut self) -> Result<(), ParseError> {
        for block in 0..2 {
            let announced = self.lines.current.and_then(|line| line.strip_prefix(b"literal ").or_else(|| line.strip_prefix(b"delta ")));
            match announced {
                Some(size) if !size.is_empty() && trim_cr(size).iter().all(u8::is_ascii_digit) => self.lines.advance(),
                Some(_) => return Err(self.fail("the size of the binary patch is no number")),
                None if block == 1 => return Ok(()),
                None => return Err(self.fail("a binary patch must begin with `literal` or `delta`")),
            }
            loop {
                let line = self.lines.current.map(trim_cr);
                match line {
                    Some([]) => break,
                    Some(line) if is_base85(line) => self.lines.advance(),
                    Some(line) => return Err(self.fail(format!("{} is no line of a binary patch", shown(line)))),
                    None => return Err(self.fail("the diff ends inside a binary patch")),
                }
            }
            self.lines.advance();
        }
        Ok(())
    }
}

/// Whether a line of a binary patch has the length that its first letter says, in git's alphabet.
fn is_base85(line: &[u8]) -> bool {
    let Some((&first, data)) = line.split_first() else { return false };
    let bytes = match first {
        b'A'..=b'Z' => usize::from(first - b'A') + 1,
        b'a'..=b'z' => usize::from(first - b'a') + 27,
        _ => return false,
    };
    let known = |&byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&()*+-;<=>?@^_`{|}~".contains(&byte);
    data.len() == bytes.div_ceil(4) * 5 && data.iter().all(known)
}
