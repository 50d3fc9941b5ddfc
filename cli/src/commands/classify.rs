//! `quern board classify`: inputs for a board that runs the program in its flash.

use crate::arguments::Classify;
use crate::standalone::Standalone;
use crate::{evaluate, leds, npy, output, target};
use miette::{miette, IntoDiagnostic, Result};
use quern_board::StandaloneBoard;
use quern_compiler::Array;
use quern_isa::{Machine, Reference, CU};
use serde::Serialize;

#[derive(Serialize)]
struct Answer {
    sample: usize,
    /// None if the board shows none.
    class: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<i64>,
    /// As they are after the run, LED 7 first; LED 0 blinks.
    leds: String,
}

pub fn classify(arguments: &Classify) -> Result<()> {
    let model = Standalone::new(&arguments.model)?;
    let compiled = &model.compiled;
    let input = npy::read_array(&arguments.input)?;
    let input = evaluate::first(&input, arguments.limit);
    let labels = arguments.labels.as_deref().map(npy::read_labels);
    let labels = labels.transpose()?;
    let samples = compiled.check_input(&input)?;
    let mut link = target::open(arguments.port.as_deref(), arguments.baud).into_diagnostic()?;
    let expected = target::expected(&mut link, CU, arguments.baud)?;
    let mut board = StandaloneBoard::new(link, &expected).into_diagnostic()?;
    let mut reference = Reference::new(CU);

    let mut answers = Vec::new();
    let mut output: Option<Array> = None;
    for sample in 0..samples {
        let mut host = compiled.quantise_input(&input, sample..sample + 1)?;
        let mut golden = host.clone();
        board.run(&compiled.program, &mut host).into_diagnostic()?;
        reference
            .run(&compiled.program, &mut golden)
            .into_diagnostic()?;
        // Between the outputs is what the memories held before.
        let part = compiled.dequantise_output(&host, 1);
        if part != compiled.dequantise_output(&golden, 1) {
            return Err(miette!(
                help = "`quern fpga flash --program` writes this model's",
                "sample {sample}: the board's output is not that of {}; another program is in \
                 its flash",
                arguments.model.display()
            ));
        }
        let class = model.class(&host);
        answers.push(Answer {
            sample,
            class,
            label: labels
                .as_ref()
                .and_then(|labels| labels.get(sample).copied()),
            leds: leds::picture(leds::of_class(class)),
        });
        if !arguments.json {
            print(answers.last().expect("it was pushed"))?;
        }
        match &mut output {
            None => output = Some(part),
            Some(output) => output.append(part),
        }
    }
    if let (Some(path), Some(output)) = (&arguments.output, &output) {
        npy::write_array(path, output)?;
    }
    match arguments.json {
        true => output::print_json(&answers),
        false => Ok(()),
    }
}

fn print(answer: &Answer) -> Result<()> {
    let class = match answer.class {
        Some(class) => format!("class {class}"),
        None => "no class".to_owned(),
    };
    let label = match answer.label {
        Some(label) => format!("  label {label}"),
        None => String::new(),
    };
    output::print(&format!(
        "sample {}: {class}{label}  LEDs 7 to 0 {}\n",
        answer.sample, answer.leds
    ))
}
