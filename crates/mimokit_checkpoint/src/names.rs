// Tensor names of the hub's format, both ways: role -> name for loading, name -> role for counting and reports.

/// Where a block of tensors belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Layer(usize),
    /// An MTP head.
    Mtp(usize),
}

impl Place {
    /// Full name of a tensor of this block.
    pub fn name(self, suffix: &str) -> String {
        match self {
            Place::Layer(layer) => format!("model.layers.{layer}.{suffix}"),
            Place::Mtp(head) => format!("model.mtp.layers.{head}.{suffix}"),
        }
    }
}

/// What a tensor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Embedding,
    FinalNorm,
    Head,
    Block { place: Place, part: Part },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Norm,
    Attention,
    Sinks,
    Router,
    Expert(usize),
    DenseFfn,
    /// The input join of an MTP head.
    Join,
}

/// The role behind a name, `None` for tensors this format does not have (vision towers for example).
pub fn role_of(name: &str) -> Option<Role> {
    match name {
        "model.embed_tokens.weight" => return Some(Role::Embedding),
        "model.norm.weight" => return Some(Role::FinalNorm),
        "lm_head.weight" => return Some(Role::Head),
        _ => {}
    }
    let (place, suffix) = place_of(name)?;
    let part = match suffix {
        "input_layernorm.weight"
        | "post_attention_layernorm.weight"
        | "pre_mlp_layernorm.weight"
        | "final_layernorm.weight" => Part::Norm,
        "enorm.weight" | "hnorm.weight" | "eh_proj.weight" => Part::Join,
        "self_attn.attention_sink_bias" => Part::Sinks,
        "mlp.gate.weight" | "mlp.gate.e_score_correction_bias" => Part::Router,
        _ => {
            if suffix.starts_with("self_attn.") {
                Part::Attention
            } else if let Some(rest) = suffix.strip_prefix("mlp.experts.") {
                Part::Expert(index_and_rest(rest)?.0)
            } else if suffix.starts_with("mlp.") {
                Part::DenseFfn
            } else {
                return None;
            }
        }
    };
    Some(Role::Block { place, part })
}

/// The block a name belongs to, and the rest of the name.
fn place_of(name: &str) -> Option<(Place, &str)> {
    if let Some(rest) = name.strip_prefix("model.mtp.layers.") {
        let (head, suffix) = index_and_rest(rest)?;
        return Some((Place::Mtp(head), suffix));
    }
    let (layer, suffix) = index_and_rest(name.strip_prefix("model.layers.")?)?;
    Some((Place::Layer(layer), suffix))
}

/// "12.self_attn.x" -> (12, "self_attn.x").
fn index_and_rest(text: &str) -> Option<(usize, &str)> {
    let (digits, rest) = text.split_once('.')?;
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_role_agree() {
        let part = |name: String| match role_of(&name) {
            Some(Role::Block { place, part }) => (place, part),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(part(Place::Layer(7).name("mlp.experts.12.up_proj.weight")), (Place::Layer(7), Part::Expert(12)));
        assert_eq!(part(Place::Layer(0).name("mlp.gate_proj.weight")), (Place::Layer(0), Part::DenseFfn));
        assert_eq!(part(Place::Layer(1).name("mlp.gate.weight")), (Place::Layer(1), Part::Router));
        assert_eq!(part(Place::Mtp(2).name("eh_proj.weight")), (Place::Mtp(2), Part::Join));
        assert_eq!(role_of("lm_head.weight"), Some(Role::Head));
    }

    #[test]
    fn foreign_names_have_no_role() {
        for name in [
            "",
            "visual.patch_embed.weight",
            "model.layers.x.mlp.up_proj.weight",
            "model.layers.3",
            "model.layers.99999999.mlp.a",
        ] {
            assert_eq!(role_of(name), None, "{name}");
        }
    }
}
