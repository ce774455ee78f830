//! The stack that sends an alert.

use super::command::word;
use crate::detection::finding::Finding;
use crate::text::Text;

/// What an alert says of its stack. A replay has none, and its alerts hold placeholders.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    table_name: Option<Text>,
    /// Region of table and topic, which may differ from that of a denial.
    region: Option<Text>,
    account: Option<Text>,
}

impl Deployment {
    /// Region and account come from the ARN of the topic.
    pub fn new(table_name: Option<&str>, topic_arn: Option<&str>) -> Self {
        let text = |name: &str| Text::new(name, 255);
        let part = |number| topic_arn.and_then(|arn| arn.split(':').nth(number)).map(text);
        Self { table_name: table_name.map(text), region: part(3), account: part(4) }
    }

    pub(super) fn table(&self) -> &str {
        self.table_name.as_ref().map_or("TABLE", Text::as_str)
    }

    pub(super) fn place(&self) -> String {
        let part = |part: &Option<Text>, unknown: &str| {
            part.as_ref().map_or_else(|| unknown.to_owned(), Text::to_string)
        };
        let account = part(&self.account, "unknown");
        format!("account {account}, {}", part(&self.region, "unknown Region"))
    }

    /// The Region of the stack if it is known, else that of the finding.
    pub(super) fn region<'a>(&'a self, finding: &'a Finding) -> Option<&'a Text> {
        self.region.as_ref().or(finding.region.as_ref())
    }

    pub(super) fn region_word(&self, finding: &Finding) -> String {
        word(self.region(finding), "REGION")
    }
}
