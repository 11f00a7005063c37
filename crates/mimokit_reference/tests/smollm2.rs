// Real text on the reference backend: run with MIMOKIT_SMOLLM2=DIR, the folder that holds bf16-dense, fp8-dense and so on.

use std::path::Path;

use mimokit_reference::Reference;
use mimokit_reference::goldens::check_text;

#[test]
#[ignore = "needs MIMOKIT_SMOLLM2, a folder of converted SmolLM2 checkpoints"]
fn short_prompts_give_the_golden_text() {
    let folder = std::env::var("MIMOKIT_SMOLLM2").expect("MIMOKIT_SMOLLM2 is set");
    for (directory, golden) in [
        ("bf16-dense", "greedy-bf16-dense"),
        ("fp8-dense", "greedy-fp8-dense"),
        ("bf16-hybrid-moe", "greedy-bf16-dense"),
        ("fp8-hybrid-moe", "greedy-fp8-hybrid-moe"),
    ] {
        assert_eq!(check_text(&Path::new(&folder).join(directory), golden, 18, Reference::default()), 1, "{directory}");
    }
}
