//! Topic patterns and route patterns, against a search from the first to the last.

use chanson_core::http::Route;
use chanson_core::topic::{Pattern, Routes, RoutesError};

/// Lines: patterns, an empty line, topics. The same lines serve as route patterns and paths.
pub fn topics(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (patterns, topics) = text.split_once("\n\n").unwrap_or((text, text));
    let topics: Vec<&str> = topics.split('\n').take(MOST).collect();
    let mut kept: Vec<Pattern> = Vec::new();
    for line in patterns.split('\n').take(MOST) {
        route(line, &topics);
        let pattern = match Pattern::new(line) {
            Ok(pattern) => pattern,
            Err(_) => {
                assert!(line.is_empty() || line.strip_suffix('*').unwrap_or(line).contains('*'), "{line}");
                continue;
            }
        };
        assert_eq!(pattern.as_str(), line);
        kept.push(pattern);
        if let Err(error) = Routes::new(&kept) {
            let refused = kept.pop().expect("it was pushed");
            match error {
                RoutesError::Reserved { index } => assert_eq!((index, line), (kept.len(), "phoenix")),
                RoutesError::Shadowed { index, by_index, pattern, by } => {
                    assert_eq!((index, &*pattern, &*by), (kept.len(), line, kept[by_index].as_str()));
                    let taken = |topic: &&&str| refused.matches(topic) && !kept[by_index].matches(topic);
                    assert_eq!(topics.iter().find(taken), None, "it was refused without need");
                }
                error => panic!("unknown: {error}"),
            }
        }
    }
    let routes = Routes::new(&kept).expect("each may stand behind those before it");
    for topic in topics.iter().copied().chain(kept.iter().map(Pattern::as_str)) {
        assert_eq!(routes.find(topic), kept.iter().position(|pattern| takes(pattern.as_str(), topic)), "{topic}");
    }
}

/// What the documents say of a pattern.
fn takes(pattern: &str, topic: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => topic.starts_with(prefix),
        None => topic == pattern,
    }
}

fn route(pattern: &str, paths: &[&str]) {
    let (Ok(route), Ok(socket)) = (Route::new(pattern), Route::socket(pattern)) else { return };
    // The pattern as it is shown is the same pattern.
    assert_eq!(Route::new(&route.to_string()).as_ref(), Ok(&route));
    let names = pattern.split('/').filter(|segment| segment.starts_with(':')).count();
    for path in paths {
        let mut params = vec![(String::new(), String::new())];
        let matches = route.matches(path, &mut params);
        assert_eq!(params.len(), if matches { 1 + names } else { 1 });
        assert!(!matches || socket.matches(path, &mut params), "a socket's route takes more");
        let longer = format!("{path}/websocket");
        assert!(!matches || socket.matches(&longer, &mut params));
    }
}

/// So many patterns and topics are looked at: the search that is compared with takes a step for each pair.
const MOST: usize = 50;
