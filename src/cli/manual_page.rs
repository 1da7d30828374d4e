//! The manual page: flags of the server, and the commands with their flags.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::version;

/// Renders the manual page, in section 1.
pub(super) fn page(command: &mut Command) -> String {
    command.build();
    // Writing to memory cannot fail.
    rendered(command).unwrap_or_default()
}

fn rendered(command: &Command) -> io::Result<String> {
    let program = version::PROGRAM;
    let man = Man::new(command.clone()).source(format!("{program} {}", version::VERSION));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_extra_section(&mut page)?;
    let mut page = text(&page);
    // Each command is a section.
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let man = Man::new(command.clone());
        let mut sections = Vec::new();
        man.render_synopsis_section(&mut sections)?;
        man.render_description_section(&mut sections)?;
        man.render_options_section(&mut sections)?;
        let name = command.get_name().to_uppercase();
        page.extend([".SH THE COMMAND ", &name, "\n"]);
        page.push_str(&text(&sections).replace("\n.SH ", "\n.SS "));
    }
    Ok(page)
}

fn text(page: &[u8]) -> String {
    String::from_utf8_lossy(page).into_owned()
}
