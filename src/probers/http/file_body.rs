//! The body of a request that is read from a file while it is sent.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};

use crate::settings::file;

/// The content of a file, read piece by piece on the threads for files.
pub(super) struct FileBody {
    path: PathBuf,
    /// The length of the file when it was opened.
    length: u64,
    /// Absent while a piece is read.
    file: Option<File>,
    reading: Option<BoxFuture<'static, io::Result<(File, Bytes)>>>,
}

/// Maximum size of a piece in bytes, as upstream has it.
const PIECE: usize = 32 << 10;

impl FileBody {
    /// Opens the file at `path`.
    pub(super) async fn open(path: &str) -> io::Result<Self> {
        let path = Path::new(path);
        let open = |path: &Path| {
            let file = file::open(path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = file::on_thread(path, open).await?;
        Ok(Self { path: path.to_owned(), length, file: Some(file), reading: None })
    }

    /// Returns the length of the file when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Self { path, file, reading, .. } = &mut *self;
        if let Some(file) = file.take() {
            *reading = Some(Box::pin(read(path.clone(), file)));
        }
        // After an error there is nothing more to read.
        let Some(piece) = reading else { return Poll::Ready(None) };
        let piece = ready!(piece.as_mut().poll(context));
        *reading = None;
        let (opened, bytes) = piece?;
        *file = Some(opened);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    /// The whole length, whatever was read. The file may change, so this is an estimate.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// Reads the next piece; it is empty at the end of the file.
async fn read(path: PathBuf, mut file: File) -> io::Result<(File, Bytes)> {
    let read = move |_: &Path| {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece)?;
        piece.truncate(length);
        Ok((file, Bytes::from(piece)))
    };
    file::on_thread(&path, read).await
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
        let mut body = FileBody::open(path.to_str().unwrap()).await.unwrap();
        assert_eq!(body.length(), 400_000);
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            read.extend_from_slice(&piece);
        }
        assert_eq!(read, content);
    }
}
