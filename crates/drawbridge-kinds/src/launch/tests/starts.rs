//! How a program starts, and what is told when it does not.

use super::*;

#[tokio::test]
async fn a_program_has_its_own_arguments_folder_and_environment() {
    let mut bench = Bench::new();
    let set = [("TOKEN", "s3cret"), ("LC_ALL", "C")];
    bench.environment = set
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let script = "pwd; echo \"$0 $1\"; env | grep -v -e ^PWD= -e ^_= -e ^OLDPWD= -e ^SHLVL= | sort";
    let said = bench.said(&["sh", "-c", script, "-a", "b c"]).await;
    let folder = bench.path("granted").canonicalize().unwrap();
    let path = format!("PATH={SEARCH}");
    let lines: Vec<&str> = said.output.lines().collect();
    let folder = folder.display().to_string();
    assert_eq!(
        lines,
        [&folder, "-a b c", "LC_ALL=C", &path, "TOKEN=s3cret"],
        "{}",
        said.errors
    );
    assert_eq!(said.errors, "");
    assert!(said.status.success());
}

/// What runs before it is confined is ours, and does nothing that a program's variables say.
#[tokio::test]
async fn no_variable_of_a_program_is_obeyed_before_it_is_confined() {
    let mut bench = Bench::new();
    let [outside, kept] = ["outside", "kept"].map(|name| bench.path(name));
    fs::create_dir_all(&outside).unwrap();
    for (folder, is_granted) in [(&outside, false), (&kept, true)] {
        let trace = folder.join("trace").display().to_string();
        let set = [("LD_DEBUG", "libs"), ("LD_DEBUG_OUTPUT", trace.as_str())];
        bench.environment = set
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let said = bench.said(&["sh", "-c", "echo started"]).await;
        assert!(said.output.ends_with("started\n"), "{}", said.errors);
        let traces = fs::read_dir(folder).unwrap().flatten();
        let traces = traces.filter(|one| one.file_name().to_string_lossy().starts_with("trace"));
        assert_eq!(traces.count() > 0, is_granted, "{}", folder.display());
    }
}

#[tokio::test]
async fn node_and_python_start_with_only_their_script() {
    let bench = Bench::new();
    let node = "const { execFileSync } = require('child_process');\n\
        process.memoryUsage(); require('os').cpus(); require('crypto').randomBytes(8);\n\
        setTimeout(() => console.log(execFileSync('echo', ['node']).toString().trim()), 1);\n";
    let python = "import asyncio, json, ssl, subprocess, threading\n\
        async def main():\n\
        \x20   await asyncio.to_thread(print, 'python', flush=True)\n\
        \x20   ssl.create_default_context()\n\
        \x20   subprocess.run(['echo', 'started'], check=True)\n\
        asyncio.run(main())\n";
    let (node, python) = (
        bench.write("granted/main.js", node),
        bench.write("granted/main.py", python),
    );
    for (command, output) in [
        (["node", &node], "node\n"),
        (["python3", &python], "python\nstarted\n"),
    ] {
        if found(command[0]).is_none() {
            continue;
        }
        let said = bench.said(&command).await;
        assert_eq!(said.output, output, "{}", said.errors);
        assert!(said.status.success());
    }
}

#[tokio::test]
async fn what_does_not_start_says_why_and_how_to_mend_it() {
    let bench = Bench::new();
    let script = bench.write("program-outside", "#!/bin/sh\n");
    let broken = bench.write("granted/broken", "#!/nowhere/sh\n");
    let inner = bench.write("granted/inner", &format!("#!{script}\n"));
    let still = bench.write("granted/still", "#!/bin/sh\n");
    for path in [&script, &broken, &inner] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let folder = bench.folder.path().canonicalize().unwrap();
    let outside = format!("add `{}` to `files.read`", folder.display());
    for (name, code, told) in [
        (
            "no-such-program",
            NOT_FOUND,
            "set `PATH` in its environment",
        ),
        ("./no-such-program", NOT_FOUND, "there is no program"),
        (&script, REFUSED, &outside),
        (&inner, REFUSED, &outside),
        (
            &broken,
            NOT_FOUND,
            "needs `/nowhere/sh`, which is not there",
        ),
        (&still, REFUSED, "make it executable"),
    ] {
        let said = bench.said(&[name]).await;
        assert_eq!(said.status.code(), Some(code.into()), "{}", said.errors);
        let first = said.errors.lines().next().unwrap();
        assert!(first.starts_with(NOT_STARTED), "{first}");
        assert!(first.contains(told), "{told}: {first}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_there_is_told_by_name() {
    let bench = Bench::new();
    let missing = vec![bench.path("missing")];
    let (mut read, mut write) = (bench.confinement(), bench.confinement());
    read.read.clone_from(&missing);
    write.write = missing;
    for (confinement, list) in [(read, "read"), (write, "write")] {
        let said = bench.said_with(&["true"], &confinement).await;
        assert_eq!(said.status.code(), Some(REFUSED.into()));
        let path = bench.path("missing").display().to_string();
        let told = format!("{NOT_STARTED}`{path}` in `files.{list}` cannot be opened");
        assert!(said.errors.starts_with(&told), "{}", said.errors);
    }
}

/// Neither what the gateway opens, nor what it was given by others.
#[tokio::test]
async fn a_program_inherits_no_descriptor() {
    if found("python3").is_none() {
        return;
    }
    let count = "import os\nopen = []\nfor number in range(256):\n\
        \x20   try:\n\
        \x20       os.fstat(number)\n\
        \x20       open.append(number)\n\
        \x20   except OSError: pass\n\
        print(open)";
    let bench = Bench::new();
    let open = || fs::File::open("/dev/null").unwrap();
    let _many: Vec<fs::File> = (0..50).map(|_| open()).collect();
    let said = bench.said(&["python3", "-c", count]).await;
    assert_eq!(
        (said.output.as_str(), said.errors.as_str()),
        ("[0, 1, 2]\n", "")
    );
    let leaky = Bench::prepared("exec 7</dev/null 9>&1");
    let said = leaky.said(&["python3", "-c", count]).await;
    assert_eq!(
        (said.output.as_str(), said.errors.as_str()),
        ("[0, 1, 2]\n", "")
    );
}
