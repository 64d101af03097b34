//! Edits of XMP packets (ISO 16684-1): drops properties that aren't true of a result, as they describe pictures that it doesn't
//! contain, show the old pixels, or are signed for them.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{LocalName, Namespace, ResolveResult};
use quick_xml::{NsReader, Writer};
use shared::job::Keeping;

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

/// The property that locates Content Credentials, also those outside of the file (C2PA 2.1, 11.4).
const TERMS: &[u8] = b"http://purl.org/dc/terms/";
const PROVENANCE: &[u8] = b"provenance";

/// The property with thumbnails.
const BASIC: &[u8] = b"http://ns.adobe.com/xap/1.0/";
const THUMBNAILS: &[u8] = b"Thumbnails";

/// Namespaces of the packet's structure, which aren't properties.
const STRUCTURE: [&[u8]; 2] = [b"http://www.w3.org/1999/02/22-rdf-syntax-ns#", b"adobe:ns:meta/"];

/// A packet without its false properties.
#[derive(Debug, PartialEq, Eq)]
struct Edited {
    /// The packet; `None` if no property is left, or if it can't be read.
    packet: Option<Vec<u8>>,
    /// What the others were about.
    dropped: Vec<About>,
}

/// What a name is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    Pictures,
    Video,
    Credentials,
    Thumbnails,
    Structure,
    Other,
}

impl About {
    /// Returns the report of properties that are dropped; `None` of those that stay.
    const fn note(self) -> Option<&'static str> {
        match self {
            Self::Pictures => Some(
                "The XMP properties of a gain map or of other pictures in this file described the old pixels; they were left out.",
            ),
            Self::Video => Some("The XMP properties of a video (a motion photo's) were left out with the video."),
            Self::Credentials => Some(
                "The XMP property that locates Content Credentials (C2PA) was left out: they were signed for the old pixels.",
            ),
            Self::Thumbnails => Some("The thumbnails in XMP showed the old pixels."),
            Self::Structure | Self::Other => None,
        }
    }
}

/// Drops from a packet what became false, and reports it. Returns whether anything of the packet remains.
pub(super) fn refresh(packet: &mut Vec<u8>, keeping: &mut Keeping) -> bool {
    let Some(edited) = forget_stale(packet) else { return true };
    edited.dropped.iter().filter_map(|about| about.note()).for_each(|note| keeping.change(note));
    let Some(kept) = edited.packet else { return false };
    *packet = kept;
    true
}

fn about(namespace: &ResolveResult<'_>, local: LocalName<'_>) -> About {
    let ResolveResult::Bound(Namespace(uri)) = namespace else { return About::Structure };
    let is_motion = || MOTION.iter().any(|start| local.as_ref().starts_with(start));
    match *uri {
        uri if APPENDED.contains(&uri) => About::Pictures,
        uri if CAMERAS.contains(&uri) && is_motion() => About::Video,
        TERMS if local.as_ref() == PROVENANCE => About::Credentials,
        BASIC if local.as_ref() == THUMBNAILS => About::Thumbnails,
        uri if STRUCTURE.contains(&uri) => About::Structure,
        _ => About::Other,
    }
}

/// Drops false properties. Returns `None` if there are none: the packet stays as it is.
fn forget_stale(packet: &[u8]) -> Option<Edited> {
    let names = |needle: &[u8]| packet.windows(needle.len()).any(|bytes| bytes == needle);
    let mut suspected = Vec::new();
    let mut suspect = |about, is_named| suspected.extend(Some(about).filter(|_| is_named));
    suspect(About::Pictures, APPENDED.iter().any(|uri| names(uri)));
    suspect(About::Video, CAMERAS.iter().any(|uri| names(uri)));
    suspect(About::Credentials, names(TERMS) && names(PROVENANCE));
    suspect(About::Thumbnails, names(BASIC) && names(THUMBNAILS));
    if suspected.is_empty() {
        return None;
    }
    match edit(packet) {
        Ok(edited) if edited.dropped.is_empty() => None,
        Ok(edited) => Some(edited),
        // A false property can't be separated from the others.
        Err(error) => {
            tracing::debug!(%error, "XMP can't be read; left out");
            Some(Edited { packet: None, dropped: suspected })
        }
    }
}

fn edit(packet: &[u8]) -> quick_xml::Result<Edited> {
    let mut reader = NsReader::from_reader(packet);
    let mut writer = Writer::new(Vec::with_capacity(packet.len()));
    let mut edited = Edited { packet: None, dropped: Vec::new() };
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
        properties += usize::from(subject == About::Other);
        if edited.drops(subject) {
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
            properties += usize::from(subject == About::Other);
            if !edited.drops(subject) {
                kept.push_attribute(attribute);
            }
        }
        writer.write_event(if is_empty { Event::Empty(kept) } else { Event::Start(kept) })?;
    }
    edited.packet = (properties > 0).then(|| writer.into_inner());
    Ok(edited)
}

impl Edited {
    /// Returns whether a property about this is dropped, and remembers it.
    fn drops(&mut self, about: About) -> bool {
        let drops = about.note().is_some();
        if drops && !self.dropped.contains(&about) {
            self.dropped.push(about);
        }
        drops
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

    fn edited(packet: Vec<u8>, about: &[About]) -> Option<Edited> {
        Some(Edited { packet: Some(packet), dropped: about.to_vec() })
    }

    const DC: &str = "xmlns:dc=\"http://purl.org/dc/elements/1.1/\"";

    #[test]
    fn a_gain_maps_properties_go_under_any_prefix_and_all_others_stay() {
        let gain = "xmlns:g=\"http://ns.adobe.com/hdr-gain-map/1.0/\" g:Version=\"1.0\"";
        let list = "<c:Directory xmlns:c=\"http://ns.google.com/photos/1.0/container/\"><rdf:Seq/></c:Directory>";
        let title = "<dc:title>A &amp; b</dc:title>";
        let found = forget_stale(&packet(&format!("{gain} {DC} dc:format=\"a &lt; b\""), &format!("{list}{title}")));
        let kept = packet(&format!("{DC} dc:format=\"a &lt; b\""), title);
        assert_eq!(found, edited(kept, &[About::Pictures]));
    }

    #[test]
    fn a_motion_photos_properties_go_and_its_cameras_others_stay() {
        let camera = "xmlns:GCamera=\"http://ns.google.com/photos/1.0/camera/\"";
        let motion = "GCamera:MotionPhoto=\"1\" GCamera:MicroVideoOffset=\"99\"";
        let found = forget_stale(&packet(&format!("{camera} {motion} GCamera:BurstID=\"7\""), ""));
        let kept = packet(&format!("{camera} GCamera:BurstID=\"7\""), "");
        assert_eq!(found, edited(kept.clone(), &[About::Video]));
        assert_eq!(forget_stale(&kept), None);
    }

    #[test]
    fn credentials_elsewhere_and_thumbnails_go_and_their_namespaces_others_stay() {
        let terms = "xmlns:t=\"http://purl.org/dc/terms/\"";
        let basic = "xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" xmp:Rating=\"5\"";
        let thumbnails = "<xmp:Thumbnails><rdf:Alt><rdf:li/></rdf:Alt></xmp:Thumbnails>";
        let created = "<t:created>2026</t:created>";
        let found = forget_stale(&packet(
            &format!("{terms} t:provenance=\"https://example.com/a.c2pa\" {basic}"),
            &format!("{thumbnails}{created}"),
        ));
        let kept = packet(&format!("{terms} {basic}"), created);
        assert_eq!(found, edited(kept.clone(), &[About::Credentials, About::Thumbnails]));
        assert_eq!(forget_stale(&kept), None);
    }

    #[test]
    fn a_packet_without_other_properties_goes_as_a_whole() {
        let gain = "xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\"";
        let found = forget_stale(&packet(gain, "<hdrgm:Version>1.0</hdrgm:Version>")).unwrap();
        assert_eq!(found, Edited { packet: None, dropped: vec![About::Pictures] });
    }

    #[test]
    fn a_packet_that_is_no_xml_goes_if_it_names_a_gain_map_and_stays_otherwise() {
        let wrong = |uri: &str| forget_stale(format!("<x:xmpmeta><a b={uri}</x:other>").as_bytes());
        assert_eq!(wrong("http://ns.adobe.com/hdr-gain-map/1.0/").unwrap().packet, None);
        assert_eq!(wrong("http://purl.org/dc/elements/1.1/"), None);
    }
}
