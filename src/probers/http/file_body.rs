//! The body of a request that is read from a file while it is sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    fs::File,
    io::{AsyncRead as _, ReadBuf},
};

/// The content of a file, read piece by piece.
pub(super) struct FileBody {
    file: File,
    /// The length of the file when it was opened.
    length: u64,
    buffer: Box<[u8]>,
}

/// Maximum size of a piece in bytes, as upstream has it.
const PIECE: usize = 32 << 10;

impl FileBody {
    pub(super) fn new(file: File, length: u64) -> Self {
        Self { file, length, buffer: vec![0; PIECE].into_boxed_slice() }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { file, buffer, .. } = &mut *self;
        let mut piece = ReadBuf::new(buffer);
        ready!(Pin::new(file).poll_read(context, &mut piece))?;
        let bytes = Bytes::copy_from_slice(piece.filled());
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    /// The whole length, whatever was read. The file may change, so this is an estimate.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_comes_whole_in_pieces() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("body");
        std::fs::write(&path, &content).unwrap();
        let mut body = FileBody::new(File::open(&path).await.unwrap(), 400_000);
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, content);
    }
}
