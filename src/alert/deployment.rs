//! Where the detector runs whose alerts these are.

use super::command::word;
use crate::detection::finding::Finding;
use crate::text::Text;

/// What an alert must know of the stack that sends it; unknown in a replay.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    /// DynamoDB table that holds the baselines.
    table_name: Option<Text>,
    /// AWS Region of table and topic, which need not be that of a denial.
    region: Option<Text>,
    /// Account of both.
    account: Option<Text>,
}

impl Deployment {
    /// The stack with this table and this SNS topic, whose ARN names its Region.
    pub fn new(table_name: Option<&str>, topic_arn: Option<&str>) -> Self {
        let text = |name: &str| Text::new(name, 255);
        let part = |number| topic_arn.and_then(|arn| arn.split(':').nth(number)).map(text);
        Self { table_name: table_name.map(text), region: part(3), account: part(4) }
    }

    /// The table as a word of a command.
    pub(super) fn table(&self) -> &str {
        self.table_name.as_ref().map_or("TABLE", Text::as_str)
    }

    /// Account and Region of the stack.
    pub(super) fn place(&self) -> String {
        let part = |part: &Option<Text>, unknown: &str| {
            part.as_ref().map_or_else(|| unknown.to_owned(), Text::to_string)
        };
        let account = part(&self.account, "unknown");
        format!("account {account}, {}", part(&self.region, "unknown Region"))
    }

    /// The Region of the stack, or that of the finding.
    pub(super) fn region<'a>(&'a self, finding: &'a Finding) -> Option<&'a Text> {
        self.region.as_ref().or(finding.region.as_ref())
    }

    /// That Region as a word of a command.
    pub(super) fn region_word(&self, finding: &Finding) -> String {
        word(self.region(finding), "REGION")
    }
}
