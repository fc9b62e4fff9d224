//! The page's files, embedded, under names that tell their content: what a name
//! once stood for it stands for always, so that a browser need never ask again.

use bytes::Bytes;

use crate::balance::entity_tag;

/// The files. One that refers to another comes after it.
const FILES: [(&str, &str, &str); 10] = [
    ("icon.svg", "image/svg+xml", include_str!("icon.svg")),
    (
        "uPlot.min.css",
        "text/css; charset=utf-8",
        include_str!("vendor/uPlot.min.css"),
    ),
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("page.css"),
    ),
    (
        "uPlot.iife.min.js",
        "text/javascript; charset=utf-8",
        include_str!("vendor/uPlot.iife.min.js"),
    ),
    (
        "time.js",
        "text/javascript; charset=utf-8",
        include_str!("time.js"),
    ),
    (
        "chart.js",
        "text/javascript; charset=utf-8",
        include_str!("chart.js"),
    ),
    (
        "asking.js",
        "text/javascript; charset=utf-8",
        include_str!("asking.js"),
    ),
    (
        "words.js",
        "text/javascript; charset=utf-8",
        include_str!("words.js"),
    ),
    (
        "shown.js",
        "text/javascript; charset=utf-8",
        include_str!("shown.js"),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_str!("page.js"),
    ),
];

/// All files.
pub(super) struct Assets(Vec<Asset>);

/// One file as it is served.
pub(super) struct Asset {
    /// The name in the source.
    plain: &'static str,
    /// The name it is served under, such as `page.0123456789abcdef.js`.
    name: String,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

impl Assets {
    pub(super) fn embedded() -> Self {
        let mut assets = Self(Vec::new());
        for (plain, content_type, text) in FILES {
            let body = assets.refer(text);
            // Half of it, without the quote: enough for a few files.
            let tag = entity_tag(body.as_bytes());
            let hash = String::from_utf8_lossy(&tag[1..17]);
            let name = match plain.rsplit_once('.') {
                Some((stem, extension)) => format!("{stem}.{hash}.{extension}"),
                None => format!("{plain}.{hash}"),
            };
            assets.0.push(Asset {
                plain,
                name,
                content_type,
                body: body.into(),
            });
        }
        assets
    }

    /// The file that is served under `name`.
    pub(super) fn find(&self, name: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.name == name)
    }

    /// `text` with the names that files are served under, in place of those in
    /// the source: `"/assets/page.css"` in HTML, `"./chart.js"` in a module.
    pub(super) fn refer(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, asset| {
            let Asset { plain, name, .. } = asset;
            text.replace(
                &format!("\"/assets/{plain}\""),
                &format!("\"/assets/{name}\""),
            )
            .replace(&format!("\"./{plain}\""), &format!("\"./{name}\""))
        })
    }
}
