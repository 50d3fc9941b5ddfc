//! Builds models, and keeps them.

use quern_hdl::verilog::{self, ExportError, Verilog, TOP};
use quern_isa::Config;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use thiserror::Error;

/// Why there is no Verilator machine.
#[derive(Debug, Error)]
pub enum VerilatorError {
    #[error(
        "`{tool}` is not installed; install what Verilator needs with \
         `apt-get install verilator g++ make`"
    )]
    MissingTool { tool: &'static str },
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("`{tool}` failed on the Verilog of `{model}`:\n{message}")]
    Tool {
        tool: &'static str,
        model: String,
        message: String,
    },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "the model {} can't be loaded: {message}; delete its directory to build it again",
        path.display()
    )]
    Load { path: PathBuf, message: String },
    #[error(
        "the memories in `{field}` of the exported core hold {actual} bytes, the configuration \
         says {expected}"
    )]
    Memory {
        field: String,
        actual: usize,
        expected: usize,
    },
}

const SHIM: &str = include_str!("shim.cpp");

/// A core to be compiled, and how.
#[derive(Debug, Clone)]
pub struct Model {
    pub config: Config,
    pub verilog: Verilog,
    /// Counts how often each line runs and each bit toggles.
    pub coverage: bool,
    /// What has no start value begins random, not zero.
    pub random_start: bool,
}

impl Model {
    /// The core as it is exported.
    pub fn of(config: &Config) -> Result<Model, VerilatorError> {
        Ok(Model {
            config: *config,
            verilog: verilog::core(config)?,
            coverage: false,
            random_start: false,
        })
    }

    /// With [`FAULT`], which every campaign of random programs has to find.
    ///
    /// # Panics
    /// When the core does not have the expression any more.
    pub fn with_fault(self) -> Model {
        self.changed(SOUND, FAULT)
    }

    /// With another expression in place of one that stands in the Verilog once.
    ///
    /// # Panics
    /// When it does not.
    pub fn changed(mut self, sound: &str, fault: &str) -> Model {
        let text = &mut self.verilog.text;
        assert_eq!(text.matches(sound).count(), 1, "the core has no `{sound}`");
        *text = text.replace(sound, fault);
        self
    }
}

const SOUND: &str = "wire greater = addend[7:0] > value[7:0];";

/// What [`Model::with_fault`] writes: only the largest byte of several shows it, and only
/// for large bytes.
pub const FAULT: &str = "wire greater = addend[7:0] > value[7:0] && addend[7:4] != 4'hf;";

/// Everything that decides what a model is, beside Verilog, shim and tools.
const VERILATOR_OPTIONS: &[&str] = &[
    "--cc",
    "-O3",
    "--noassert",
    // Lint is a test of its own.
    "-Wno-lint",
    "--output-split",
    "20000",
    "-CFLAGS",
    "-fPIC",
    "--prefix",
    "Vquern",
    "--Mdir",
    "model",
];

/// The code of a clock cycle is worth the optimiser's time; set-up code is not.
const MAKE_OPTIONS: &[&str] = &["OPT_FAST=-O3", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2"];

/// Counting makes the code of a cycle ten times as long: optimised as above it takes
/// minutes to compile.
const MAKE_OPTIONS_COUNTING: &[&str] = &["OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O1"];

/// Objects that `make` builds: the model, and the runtime it uses.
const OBJECTS: &[&str] = &[
    "Vquern__ALL.a",
    "verilated.o",
    "verilated_dpi.o",
    "verilated_threads.o",
];

static BUILDING: Mutex<()> = Mutex::new(());

const LIBRARY: &str = "libquern.so";

/// Whether models can be built here.
pub fn is_installed() -> bool {
    version("verilator").is_ok() && version("g++").is_ok() && version("make").is_ok()
}

/// What a model is made of.
pub struct Recipe<'a> {
    /// What the model's folder and errors call it.
    pub name: &'a str,
    pub verilog: &'a str,
    /// The module that is compiled.
    pub top: &'a str,
    /// The C interface.
    pub shim: &'a str,
    /// For the shim, as in `-DNAME=VALUE`.
    pub defines: &'a [String],
    /// As in [`Model`].
    pub coverage: bool,
    pub random_start: bool,
}

impl Recipe<'_> {
    fn options(&self) -> Vec<&'static str> {
        let unknown = match self.random_start {
            true => "unique",
            false => "fast",
        };
        let mut options = VERILATOR_OPTIONS.to_vec();
        options.extend(["--x-assign", unknown, "--x-initial", unknown]);
        if self.coverage {
            options.extend(["--coverage-line", "--coverage-toggle"]);
        }
        options
    }

    fn make_options(&self) -> &'static [&'static str] {
        match self.coverage {
            true => MAKE_OPTIONS_COUNTING,
            false => MAKE_OPTIONS,
        }
    }

    fn objects(&self) -> Vec<&'static str> {
        let mut objects = OBJECTS.to_vec();
        if self.coverage {
            objects.push("verilated_cov.o");
        }
        objects
    }

    fn defines(&self) -> Vec<String> {
        let mut defines = self.defines.to_vec();
        if self.coverage {
            defines.push("-DVM_COVERAGE=1".to_owned());
        }
        defines
    }
}

/// The library of a core, built if need be.
pub fn core(core: &Model) -> Result<PathBuf, VerilatorError> {
    model(&Recipe {
        name: core.config.name,
        verilog: &core.verilog.text,
        top: TOP,
        shim: SHIM,
        defines: &[format!("-DQUERN_STREAM_BYTES={}", core.config.stream_bytes)],
        coverage: core.coverage,
        random_start: core.random_start,
    })
}

/// The library of a model, built if need be.
pub fn model(recipe: &Recipe) -> Result<PathBuf, VerilatorError> {
    let settings = settings(recipe.verilog);
    let mut hasher = DefaultHasher::new();
    (recipe.verilog, recipe.top, &settings, recipe.shim).hash(&mut hasher);
    (
        recipe.options(),
        recipe.make_options(),
        recipe.objects(),
        recipe.defines(),
    )
        .hash(&mut hasher);
    (tools()?, version("make")?).hash(&mut hasher);
    let models = build_directory().join("verilator");
    let directory = models.join(format!("{}-{:016x}", recipe.name, hasher.finish()));
    let library = directory.join(LIBRARY);
    // One build at a time in this process: the others will find it done.
    let _turn = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    if !library.exists() {
        build(recipe, &settings, &models, &directory)?;
    }
    Ok(library)
}

/// The programs that decide what a model becomes, beside its sources.
pub fn tools() -> Result<[String; 2], VerilatorError> {
    Ok([version("verilator")?, version("g++")?])
}

/// Where Verilator keeps the headers and sources of its runtime.
pub fn include_directory() -> Result<PathBuf, VerilatorError> {
    let output = Command::new("verilator")
        .args(["--getenv", "VERILATOR_ROOT"])
        .output()
        .map_err(|source| spawn_error("verilator", source))?;
    let root = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Path::new(root.trim()).join("include"))
}

/// Where the C++ of a model in `model` finds what it includes.
pub fn include_options() -> Result<[String; 3], VerilatorError> {
    let root = include_directory()?;
    Ok([
        "-Imodel".to_owned(),
        format!("-I{}", root.display()),
        format!("-I{}", root.join("vltstd").display()),
    ])
}

/// Verilator's configuration file, which keeps the array's columns functions of their own. All of them in one
/// would run no faster, and take g++ minutes.
fn settings(verilog: &str) -> String {
    let columns = verilog.lines().filter_map(|line| {
        let name = line.strip_prefix("module column_")?;
        let end = name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')?;
        let name = &name[..end];
        name.starts_with(|letter: char| letter.is_ascii_digit())
            .then_some(name)
    });
    columns.fold("`verilator_config\n".to_owned(), |text, name| {
        text + &format!("no_inline -module \"column_{name}\"\n")
    })
}

/// Builds in a directory of its own and renames it: whoever is second finds the work
/// done, and nobody ever sees half a model.
fn build(
    recipe: &Recipe,
    settings: &str,
    models: &Path,
    directory: &Path,
) -> Result<(), VerilatorError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| VerilatorError::Io { path, source }
    };
    std::fs::create_dir_all(models).map_err(at(models))?;
    let workshop = tempfile::Builder::new()
        .prefix(&format!(".{}-", recipe.name))
        .tempdir_in(models)
        .map_err(at(models))?;
    let path = workshop.path();
    std::fs::write(path.join("quern.v"), recipe.verilog).map_err(at(path))?;
    std::fs::write(path.join("settings.vlt"), settings).map_err(at(path))?;
    std::fs::write(path.join("shim.cpp"), recipe.shim).map_err(at(path))?;

    let run = |tool: &'static str, arguments: &[&str]| run(tool, arguments, path, recipe.name);
    let mut arguments = recipe.options();
    arguments.extend(["--top-module", recipe.top, "settings.vlt", "quern.v"]);
    run("verilator", &arguments)?;
    let jobs = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let jobs = format!("-j{jobs}");
    let mut arguments = vec!["-C", "model", "-f", "Vquern.mk", &jobs];
    let objects = recipe.objects();
    arguments.extend(recipe.make_options().iter().chain(&objects));
    run("make", &arguments)?;
    let includes = include_options()?;
    let mut arguments = vec!["-O3", "-shared", "-fPIC", "-std=c++17"];
    let defines = recipe.defines();
    arguments.extend(includes.iter().chain(&defines).map(String::as_str));
    let objects: Vec<String> = objects.iter().map(|o| format!("model/{o}")).collect();
    arguments.extend(["-o", LIBRARY, "shim.cpp"]);
    arguments.extend(objects.iter().map(String::as_str));
    arguments.push("-pthread");
    run("g++", &arguments)?;
    std::fs::remove_dir_all(path.join("model")).map_err(at(path))?;

    let finished = workshop.keep();
    match std::fs::rename(&finished, directory) {
        Ok(()) => Ok(()),
        Err(_) if directory.join(LIBRARY).exists() => {
            std::fs::remove_dir_all(&finished).map_err(at(&finished))
        }
        Err(source) => {
            let _ = std::fs::remove_dir_all(&finished);
            Err(at(directory)(source))
        }
    }
}

fn run(
    tool: &'static str,
    arguments: &[&str],
    directory: &Path,
    name: &str,
) -> Result<String, VerilatorError> {
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(directory)
        .output()
        .map_err(|source| spawn_error(tool, source))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(VerilatorError::Tool {
            tool,
            model: name.to_owned(),
            message: last_lines(&output.stderr),
        }),
    }
}

fn version(tool: &'static str) -> Result<String, VerilatorError> {
    let output = Command::new(tool)
        .arg("--version")
        .output()
        .map_err(|source| spawn_error(tool, source))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn spawn_error(tool: &'static str, source: io::Error) -> VerilatorError {
    match source.kind() {
        io::ErrorKind::NotFound => VerilatorError::MissingTool { tool },
        _ => VerilatorError::Io {
            path: PathBuf::from(tool),
            source,
        },
    }
}

/// The end of a tool's complaint: the rest of it is usually about the same thing.
fn last_lines(bytes: &[u8]) -> String {
    const LINES: usize = 20;
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// `build` of the workspace this was compiled in, or, once that is gone, of the
/// current directory.
pub fn build_directory() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    match workspace {
        Some(workspace) if workspace.join("Cargo.toml").exists() => workspace.join("build"),
        _ => PathBuf::from("build"),
    }
}
