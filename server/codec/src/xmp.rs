//! Edits of XMP packets (ISO 16684-1): drops what describes pictures that a result doesn't contain.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{LocalName, Namespace, ResolveResult};
use quick_xml::{NsReader, Writer};

/// Namespaces about a gain map, or about pictures and videos appended to the image: Ultra HDR
/// (<https://developer.android.com/media/platform/hdr-image-format>), Google's container, and Apple's gain map.
const APPENDED: [&[u8]; 4] = [
    b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"http://ns.google.com/photos/1.0/container/",
    b"http://ns.google.com/photos/1.0/container/item/",
    b"http://ns.apple.com/HDRGainMap/1.0/",
];

/// Namespaces with properties of motion photos, whose names begin with one of [`MOTION`]
/// (<https://developer.android.com/media/platform/motion-photo-format>).
const CAMERAS: [&[u8]; 2] = [b"http://ns.google.com/photos/1.0/camera/", b"http://ns.oplus.com/photos/1.0/camera/"];
const MOTION: [&[u8]; 3] = [b"MotionPhoto", b"MicroVideo", b"VideoLength"];

/// Namespaces of the packet's structure, which aren't properties.
const STRUCTURE: [&[u8]; 2] = [b"http://www.w3.org/1999/02/22-rdf-syntax-ns#", b"adobe:ns:meta/"];

/// A packet without its properties of appended pictures and videos.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Edited {
    /// The packet; `None` if no property is left, or if it can't be read.
    pub(super) packet: Option<Vec<u8>>,
    /// Whether it described a gain map or other pictures.
    pub(super) pictures: bool,
    /// Whether it described a video.
    pub(super) video: bool,
}

/// What a name is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Pictures,
    Video,
    Structure,
    Other,
}

fn about(namespace: &ResolveResult<'_>, local: LocalName<'_>) -> About {
    let ResolveResult::Bound(Namespace(uri)) = namespace else { return About::Structure };
    let is_motion = || MOTION.iter().any(|start| local.as_ref().starts_with(start));
    if APPENDED.contains(uri) {
        About::Pictures
    } else if CAMERAS.contains(uri) && is_motion() {
        About::Video
    } else if STRUCTURE.contains(uri) {
        About::Structure
    } else {
        About::Other
    }
}

/// Drops the properties about appended pictures and videos. Returns `None` if there are none: the packet stays as it is.
pub(super) fn forget_appended(packet: &[u8]) -> Option<Edited> {
    let names = |needle: &[u8]| packet.windows(needle.len()).any(|bytes| bytes == needle);
    if !APPENDED.iter().chain(&CAMERAS).any(|uri| names(uri)) {
        return None;
    }
    match edit(packet) {
        Ok(edited) if !edited.pictures && !edited.video => None,
        Ok(edited) => Some(edited),
        // A false property can't be separated from the others.
        Err(error) => {
            tracing::debug!(%error, "XMP can't be read; left out");
            Some(Edited { packet: None, pictures: true, video: names(CAMERAS[0]) })
        }
    }
}

fn edit(packet: &[u8]) -> quick_xml::Result<Edited> {
    let mut reader = NsReader::from_reader(packet);
    let mut writer = Writer::new(Vec::with_capacity(packet.len()));
    let mut edited = Edited { packet: None, pictures: false, video: false };
    let mut properties = 0;
    loop {
        let event = reader.read_event()?;
        let (start, is_empty) = match &event {
            Event::Eof => break,
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            _ => {
                writer.write_event(event)?;
                continue;
            }
        };
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let subject = about(&namespace, local);
        edited.note(subject);
        properties += usize::from(subject == About::Other);
        if matches!(subject, About::Pictures | About::Video) {
            if !is_empty {
                reader.read_to_end(start.to_end().name())?;
            }
            continue;
        }
        let name = start.name();
        let mut kept = BytesStart::new(reader.decoder().decode(name.as_ref())?);
        for attribute in start.attributes() {
            let attribute = attribute?;
            let declares = attribute.key.as_namespace_binding().is_some();
            if declares && APPENDED.contains(&attribute.value.as_ref()) {
                continue;
            }
            let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
            let subject = if declares { About::Structure } else { about(&namespace, local) };
            edited.note(subject);
            properties += usize::from(subject == About::Other);
            if !matches!(subject, About::Pictures | About::Video) {
                kept.push_attribute(attribute);
            }
        }
        writer.write_event(if is_empty { Event::Empty(kept) } else { Event::Start(kept) })?;
    }
    edited.packet = (properties > 0).then(|| writer.into_inner());
    Ok(edited)
}

impl Edited {
    fn note(&mut self, subject: About) {
        self.pictures |= subject == About::Pictures;
        self.video |= subject == About::Video;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn packet(declared: &str, inside: &str) -> Vec<u8> {
        format!(
            "<?xpacket begin=\"\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
             xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" {declared}>{inside}\
             </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end=\"w\"?>"
        )
        .into_bytes()
    }

    const DC: &str = "xmlns:dc=\"http://purl.org/dc/elements/1.1/\"";

    #[test]
    fn a_gain_maps_properties_go_under_any_prefix_and_all_others_stay() {
        let gain = "xmlns:g=\"http://ns.adobe.com/hdr-gain-map/1.0/\" g:Version=\"1.0\"";
        let list = "<c:Directory xmlns:c=\"http://ns.google.com/photos/1.0/container/\"><rdf:Seq/></c:Directory>";
        let title = "<dc:title>A &amp; b</dc:title>";
        let edited =
            forget_appended(&packet(&format!("{gain} {DC} dc:format=\"a &lt; b\""), &format!("{list}{title}")));
        let kept = packet(&format!("{DC} dc:format=\"a &lt; b\""), title);
        assert_eq!(edited, Some(Edited { packet: Some(kept), pictures: true, video: false }));
    }

    #[test]
    fn a_motion_photos_properties_go_and_its_cameras_others_stay() {
        let camera = "xmlns:GCamera=\"http://ns.google.com/photos/1.0/camera/\"";
        let motion = "GCamera:MotionPhoto=\"1\" GCamera:MicroVideoOffset=\"99\"";
        let edited = forget_appended(&packet(&format!("{camera} {motion} GCamera:BurstID=\"7\""), ""));
        let kept = packet(&format!("{camera} GCamera:BurstID=\"7\""), "");
        assert_eq!(edited, Some(Edited { packet: Some(kept), pictures: false, video: true }));
        assert_eq!(forget_appended(&packet(&format!("{camera} GCamera:BurstID=\"7\""), "")), None);
    }

    #[test]
    fn a_packet_without_other_properties_goes_as_a_whole() {
        let gain = "xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\"";
        let edited = forget_appended(&packet(gain, "<hdrgm:Version>1.0</hdrgm:Version>")).unwrap();
        assert_eq!(edited, Edited { packet: None, pictures: true, video: false });
    }

    #[test]
    fn a_packet_that_is_no_xml_goes_if_it_names_a_gain_map_and_stays_otherwise() {
        let wrong = |uri: &str| forget_appended(format!("<x:xmpmeta><a b={uri}</x:other>").as_bytes());
        assert_eq!(wrong("http://ns.adobe.com/hdr-gain-map/1.0/").unwrap().packet, None);
        assert_eq!(wrong("http://purl.org/dc/elements/1.1/"), None);
    }
}
