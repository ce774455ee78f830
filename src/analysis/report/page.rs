//! The page: one HTML file that fetches nothing. `maud` escapes every text; only our own style
//! sheet and charts are included as they are.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{HistoryReport, MAX_FINDINGS, Noise, Subject, chart};
use crate::alert::title::{explanation, title};
use crate::detection::evidence::Evidence;
use crate::detection::finding::Finding;
use crate::detection::{Scale, Signal};
use crate::replay::summary::BySeverity;
use crate::wording::{plural, utc};

const STYLE: &str = include_str!("style.css");
/// The browser fetches and runs nothing, even if a text of a record were not escaped.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

impl HistoryReport {
    pub fn to_html(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    title { "Rattle report" }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    (self.head())
                    (self.fleet())
                    (self.ignores())
                    (self.principals())
                }
            }
        }
        .into_string()
    }

    fn head(&self) -> Markup {
        let summary = &self.summary;
        let by = &summary.findings_by_severity;
        html! {
            h1 { "Denied reads of secrets" }
            @match self.period {
                Some((first, last)) => p {
                    (first) " to " (last) ". "
                    (plural(summary.denials, "denial")) " by " (plural(summary.principals, "principal"))
                    "; " (plural(summary.findings, "finding")) ": "
                    (by.high) " high, " (by.medium) " medium, " (by.low) " low."
                },
                None => p { "No denial in this history." },
            }
            @if summary.rejected > 0 {
                p { (plural(summary.rejected, "record")) " could not be used." }
            }
        }
    }

    fn fleet(&self) -> Markup {
        html! {
            h2 { "All principals" }
            @if let Some(svg) = chart::weeks(&self.weeks) {
                figure {
                    figcaption {
                        "Findings by week, by the day it begins. Filled: severity high; outlined: \
                         medium and low."
                    }
                    div role="img" aria-label="Findings by week" { (PreEscaped(svg)) }
                }
            }
            h3 { "By noise" }
            (noise_table(&self.noisiest))
        }
    }

    fn ignores(&self) -> Markup {
        html! {
            h2 { "Suggested ignores" }
            @if self.ignores.is_empty() {
                p { "None: no principal was found again and again over one or two secrets only." }
            } @else {
                p {
                    "Found again and again, and never over more than two secrets: most likely broken \
                     jobs. Repair them if you can: whoever is ignored is not watched at all."
                }
                (noise_table(&self.ignores))
                pre { "RATTLE_IGNORE='" (self.globs()) "'" }
            }
        }
    }

    fn globs(&self) -> String {
        self.ignores.iter().map(|noise| noise.glob.as_str()).collect::<Vec<_>>().join(",")
    }

    fn principals(&self) -> Markup {
        let bin = if self.scale == Scale::Day { "UTC day" } else { "hour" };
        html! {
            @if !self.subjects.is_empty() {
                h2 { "Principals with findings" }
                p {
                    "A bar is one " (bin) ". The line is the count that was usual then, the band one \
                     standard deviation around it, both joined between the " (bin) "s with a denial. A \
                     triangle marks findings, by the numbers below."
                }
            }
            @for subject in &self.subjects {
                (self.subject(subject))
            }
            @if self.further > 0 {
                p { (self.further) " more principals have findings; rattle replay lists them." }
            }
        }
    }

    fn subject(&self, subject: &Subject) -> Markup {
        let shown = subject.findings.len() as u64;
        let all = subject.noise.findings.all();
        html! {
            section {
                h3 { (subject.noise.label) }
                p {
                    @if let Some(arn) = &subject.arn { code { (arn) } br; }
                    "Key " code { (subject.noise.key) }
                }
                div class="figures" {
                    @for (signal, name) in [(Signal::Denials, "Denials"), (Signal::Secrets, "New secrets")] {
                        @if let Some(svg) = chart::principal(&subject.bins, signal, self.scale, &subject.findings) {
                            figure {
                                figcaption { (name) }
                                div role="img" aria-label={ (name) " of " (subject.noise.label) } {
                                    (PreEscaped(svg))
                                }
                            }
                        }
                    }
                }
                @for (number, finding) in (1..).zip(&subject.findings) {
                    (finding_block(number, finding))
                }
                @if all > shown {
                    p { "The first " (MAX_FINDINGS) " findings of " (all) " are shown." }
                }
            }
        }
    }
}

fn finding_block(number: u32, finding: &Finding) -> Markup {
    let severity = finding.severity.name();
    html! {
        div class="finding" {
            p {
                strong { (number) ". " (utc(finding.last_denial)) " " }
                span class={ "severity " (severity) } { (severity) } " " (finding.status.name())
            }
            p { (title(finding)) }
            p { (explanation(finding)) }
            table class="stacked" {
                thead { tr { th { "Time" } th { "Secret" } th { "Source" } th { "Session" } th { "Refused by" } } }
                tbody { @for one in &finding.evidence { (evidence(one)) } }
            }
            small { code { "rattle explain PATH --finding " (finding.id) } }
        }
    }
}

fn evidence(one: &Evidence) -> Markup {
    html! {
        tr {
            td data-name="Time" { (utc(one.time)) }
            td data-name="Secret" { (one.secret_label().unwrap_or_else(|| "not named".to_owned())) }
            td data-name="Source" { @if let Some(source) = &one.source_ip { (source) } @else { "unknown" } }
            td data-name="Session" { @if let Some(session) = &one.session { (session) } @else { "none" } }
            td data-name="Refused by" { (one.cause) }
        }
    }
}

fn noise_table(noise: &[Noise]) -> Markup {
    html! {
        table class="stacked" {
            thead {
                tr {
                    th { "Principal" } th class="n" { "Denials" } th { "Findings" } th { "Glob" }
                }
            }
            tbody {
                @for one in noise {
                    tr {
                        td data-name="Principal" { (one.label) }
                        td class="n" data-name="Denials" { (one.denials) }
                        td data-name="Findings" { (findings(&one.findings)) }
                        td data-name="Glob" { code { (one.glob) } }
                    }
                }
            }
        }
    }
}

/// `3 high, 1 low`.
fn findings(by: &BySeverity) -> String {
    let counts = [(by.high, "high"), (by.medium, "medium"), (by.low, "low")];
    let some = counts.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}"));
    match some.collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    }
}
