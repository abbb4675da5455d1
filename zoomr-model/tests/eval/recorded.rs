//! Files of recordings: what is in them, and those that are none.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use zoomr_model::recording::Recording;

use crate::support::{Place, recorded, replayed, settings};

type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn tensors(bytes: &[u8]) -> Tensors {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let owned = |(name, view): (String, TensorView<'_>)| {
        (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
    };
    file.tensors().into_iter().map(owned).collect()
}

fn metadata(bytes: &[u8]) -> HashMap<String, String> {
    SafeTensors::read_metadata(bytes).unwrap().1.metadata().clone().unwrap()
}

fn file(tensors: &Tensors, metadata: HashMap<String, String>) -> Vec<u8> {
    let views: Vec<(&String, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()))
        .collect();
    safetensors::serialize(views, Some(metadata)).unwrap()
}

#[test]
fn a_recording_comes_back_as_it_was() {
    let place = Place::new(None);
    let (bench, problems, settings) =
        (place.bench(), place.problems(1), settings(&["zoomr:zoom=1", "h2o:budget=12"]));
    let recording = recorded(&bench, &problems[0], &settings[0], 30);
    let bytes = recording.to_bytes().unwrap();
    let path = place.dir.path().join("run.safetensors");
    fs::write(&path, &bytes).unwrap();
    let again = Recording::read(&path).unwrap();
    assert_eq!(again.layers(), place.model.config().layer_specs());
    assert_eq!((again.tokens(), again.prompt()), (recording.tokens(), problems[0].prompt.len()));
    assert_eq!(again.tokens()[..again.prompt()], problems[0].prompt);
    assert!(again.to_bytes().unwrap() == bytes);
    assert_eq!(replayed(&bench, &again, &settings), replayed(&bench, &recording, &settings));

    let tensors = tensors(&bytes);
    let tokens = again.tokens().len();
    assert_eq!((tensors.len(), tokens), (7, again.prompt() + 30));
    for layer in 0..3 {
        assert_eq!(tensors[&format!("layer.{layer}.queries")].1, [tokens, 2, 8]);
        assert_eq!(tensors[&format!("layer.{layer}.keys")].1, [tokens, 1, 8]);
    }
}

/// Under two-pass scope each step runs twice. Where all is shown in both passes, the rows are those of full attention.
#[test]
fn a_step_that_runs_twice_is_recorded_once() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(1));
    let settings = settings(&["full", "zoomr:zoom=999,scope=two-pass"]);
    let [once, twice] = [0, 1].map(|s| recorded(&bench, &problems[0], &settings[s], 40));
    assert_eq!(once.tokens(), twice.tokens());
    let [once, twice] = [once, twice].map(|recording| tensors(&recording.to_bytes().unwrap()));
    let floats = |(_, _, data): &(Dtype, Vec<usize>, Vec<u8>)| -> Vec<f32> {
        data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    for (name, tensor) in once.iter().filter(|(name, _)| *name != "tokens") {
        assert_eq!(tensor.1, twice[name].1, "{name}");
        let (once, twice) = (floats(tensor), floats(&twice[name]));
        let most = once.iter().zip(&twice).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most < 1e-4 && once.iter().any(|number| number.abs() > 0.1), "{name}: {most}");
    }
}

#[test]
fn files_that_are_no_recordings_are_refused() {
    let place = Place::new(None);
    let (bench, problems, settings) = (place.bench(), place.problems(1), settings(&["full"]));
    let bytes = recorded(&bench, &problems[0], &settings[0], 5).to_bytes().unwrap();
    let path = place.dir.path().join("run.safetensors");
    let refused = |bytes: &[u8], says: &[&str]| {
        fs::write(&path, bytes).unwrap();
        let error = Recording::read(&path).unwrap_err().to_string();
        for says in says.iter().chain(&["run.safetensors"]) {
            assert!(error.contains(says), "`{error}` does not say `{says}`");
        }
    };
    refused(&[], &["truncated or damaged", "record the run again"]);
    refused(&bytes[..bytes.len() - 4], &["truncated or damaged"]);
    refused(b"{\"step\": 0}\n{\"step\": 1}\n", &["truncated or damaged"]);
    let weights = fs::read(place.dir.path().join("model.safetensors")).unwrap();
    refused(&weights, &["no recording", "--record"]);
    let missing = Recording::read(Path::new("missing.safetensors")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read missing.safetensors: "), "{missing}");

    let changed = |change: fn(&mut Tensors)| {
        let mut tensors = tensors(&bytes);
        change(&mut tensors);
        file(&tensors, metadata(&bytes))
    };
    refused(&changed(|t| drop(t.remove("layer.1.keys"))), &["`layer.1.keys` is missing"]);
    refused(&changed(|t| drop(t.remove("tokens"))), &["`tokens` is missing"]);
    refused(
        &changed(|t| t.get_mut("layer.2.queries").unwrap().1.swap(1, 2)),
        &["`layer.2.queries` is F32", "8, 2]", "not F32", "2, 8]"],
    );
    refused(&changed(|t| t.get_mut("layer.0.keys").unwrap().0 = Dtype::I32), &["`layer.0.keys` is I32"]);
    refused(&changed(|t| t.get_mut("tokens").unwrap().1.push(1)), &["`tokens` is U32", "not U32"]);
    let infinite = |t: &mut Tensors| {
        t.get_mut("layer.1.queries").unwrap().2[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    };
    refused(&changed(infinite), &["`layer.1.queries`", "infinite"]);
    let large = |t: &mut Tensors| {
        t.get_mut("layer.1.keys").unwrap().2[..4].copy_from_slice(&f32::MAX.to_le_bytes());
    };
    refused(&changed(large), &["layer 1", "range of f32"]);

    let headed = |change: fn(&mut Value)| {
        let mut header: Value = serde_json::from_str(&metadata(&bytes)["zoomr-recording"]).unwrap();
        change(&mut header);
        let metadata = HashMap::from([("zoomr-recording".to_owned(), header.to_string())]);
        file(&tensors(&bytes), metadata)
    };
    refused(&headed(|h| h["version"] = 2.into()), &["version 2, not 1"]);
    refused(&headed(|h| h["prompt"] = 9999.into()), &["a prompt of 9999 tokens"]);
    refused(&headed(|h| h["layers"][1]["kv_heads"] = 0.into()), &["the heads of layer 1"]);
    refused(&headed(|h| h["layers"] = Value::Array(Vec::new())), &["no layers"]);
    refused(&headed(|h| h["layers"][0]["scale"] = 1e300.into()), &["scale", "range of f32"]);
    refused(&headed(|h| h["layers"] = Value::Null), &["header is of no use"]);
}
