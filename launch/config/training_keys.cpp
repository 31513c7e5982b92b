#include "launch/config/training_keys.h"

#include "launch/config/key_binding.h"

namespace stagecraft {
namespace {

using enum KeyType;
using enum OnResume;

constexpr double kMaxSize = 1 << 24;               // of a model, along one dimension
constexpr double kMaxSequences = 1 << 20;          // per batch
constexpr double kLargestSeed = 9007199254740991;  // 2^53 - 1: exact in every JSON reader too

constexpr auto kRun = &RunSettings::run;
constexpr auto kModel = &RunSettings::model;
constexpr auto kBatch = &RunSettings::batch;
constexpr auto kOptimizer = &RunSettings::optimizer;
constexpr auto kData = &RunSettings::data;

std::vector<Choice> family_choices() {
  std::vector<Choice> choices;
  for (const ModelFamily* family : model_families()) {
    choices.push_back({std::string(family->name)});
  }
  choices.push_back({"bert", false});
  return choices;
}

/// Of all families.
std::vector<Choice> preset_choices() {
  std::vector<Choice> choices;
  for (const ModelFamily* family : model_families()) {
    for (const Choice& choice : choices_of(family->presets)) {
      choices.push_back(choice);
    }
  }
  return choices;
}

Keys batch_keys() {
  const Range size = within(1, kMaxSequences);
  return {
      needed(key<kOptimizer, &OptimizerConfig::steps>("train.steps", integer, may_change,
                                                      "Optimizer steps", within(1, kMaxSteps))),
      needed(key<kBatch, &BatchConfig::global_batch>(
          "train.global_batch", integer, fixed, "Sequences per step over all data ranks", size)),
      needed(
          key<kBatch, &BatchConfig::micro_batch>("train.micro_batch", integer, fixed,
                                                 "Sequences of one micro-batch on one data rank; "
                                                 "times parallel.data it divides global_batch",
                                                 size)),
      among(key<kBatch, &BatchConfig::precision>("train.precision", choice, fixed,
                                                 "Number format of layers: tf32 (GPUs only) rounds "
                                                 "the inputs of matrix products; bf16 (GPUs, and "
                                                 "CPUs that support it) keeps activations and a "
                                                 "copy of the weights in bfloat16"),
            {{"float32"}, {"tf32"}, {"bf16"}}),
  };
}

Keys optimizer_keys() {
  return {
      key<kOptimizer, &OptimizerConfig::learning_rate>(
          "train.learning_rate", real, fixed, "Highest learning rate, reached after warm-up",
          above(0)),
      key<kOptimizer, &OptimizerConfig::min_learning_rate>(
          "train.min_learning_rate", real, fixed,
          "Learning rate where the cosine ends, in step decay_steps, and behind it; at most "
          "learning_rate",
          from(0)),
      computed(key<kOptimizer, &OptimizerConfig::decay_steps>(
                   "train.decay_steps", integer, fixed,
                   "Step in which the learning rate has fallen to min_learning_rate",
                   within(1, kMaxSteps)),
               "train.steps; a run that goes on keeps its first value"),
      key<kOptimizer, &OptimizerConfig::warmup_steps>(
          "train.warmup_steps", integer, fixed, "Steps of linear warm-up; at most decay_steps",
          within(0, kMaxSteps)),
      key<kOptimizer, &OptimizerConfig::beta1>("train.beta1", real, fixed,
                                               "AdamW's decay of the first moment", kUnitOpen),
      key<kOptimizer, &OptimizerConfig::beta2>("train.beta2", real, fixed,
                                               "AdamW's decay of the second moment", kUnitOpen),
      key<kOptimizer, &OptimizerConfig::epsilon>("train.epsilon", real, fixed,
                                                 "AdamW's term in the denominator", above(0)),
      key<kOptimizer, &OptimizerConfig::weight_decay>(
          "train.weight_decay", real, fixed,
          "Decoupled decay of all two-dimensional parameters, including embeddings", from(0)),
      key<kOptimizer, &OptimizerConfig::clip>(
          "train.clip", real, fixed, "Largest global gradient norm; 0: no clipping", from(0)),
  };
}

Keys run_length_keys() {
  return {
      key<kRun, &RunOptions::seed>("train.seed", integer, fixed,
                                   "Seed of initial weights, dropout and data order",
                                   within(0, kLargestSeed)),
      key<kRun, &RunOptions::eval_every>("train.eval_every", integer, may_change,
                                         "Steps between evaluations; 0: only at the end",
                                         within(0, kMaxSteps)),
      key<kRun, &RunOptions::eval_batches>(
          "train.eval_batches", integer, may_change,
          "Batches of global_batch samples in every evaluation, including the last; 0: all",
          within(0, kMaxSteps)),
  };
}

}  // namespace

Keys model_keys() {
  const Range size = within(1, kMaxSize);
  const Need need = Need::without_preset;
  return {
      needed(among(key<kModel, &ModelConfig::family>("model.family", choice, fixed, "Architecture"),
                   family_choices())),
      computed(among(key<kModel, &ModelConfig::preset>(
                         "model.preset", choice, may_change,
                         "Sizes of a published model; other keys override them"),
                     preset_choices()),
               "none"),
      needed(key<kModel, &ModelConfig::layers>("model.layers", integer, fixed, "Transformer blocks",
                                               within(1, kMaxLayers)),
             need),
      needed(key<kModel, &ModelConfig::hidden>("model.hidden", integer, fixed,
                                               "Width of the residual stream", size),
             need),
      needed(key<kModel, &ModelConfig::heads>(
                 "model.heads", integer, fixed,
                 "Attention heads; divides hidden and is divisible by parallel.tensor", size),
             need),
      needed(key<kModel, &ModelConfig::sequence>("model.sequence", integer, fixed,
                                                 "Tokens per sample", size),
             need),
      computed(key<kModel, &ModelConfig::vocab>("model.vocab", integer, fixed,
                                                "Vocabulary size; at least the tokenizer's", size),
               "the preset's, or else the tokenizer's"),
      key<kModel, &ModelConfig::dropout>(
          "model.dropout", real, fixed,
          "Dropout probability in embedding, attention and both residual branches", kUnitOpen),
      computed(key<kModel, &ModelConfig::init_from>(
                   "model.init_from", text, may_change,
                   "Initial weights: a folder in the hub's format, in float32, float16 or "
                   "bfloat16; or a checkpoint, or the newest of a run's directory"),
               "none: random weights"),
  };
}

Keys train_keys() { return concatenated({batch_keys(), optimizer_keys(), run_length_keys()}); }

Keys data_keys() {
  return {
      not_empty(
          needed(key<kData, &DataConfig::train>("data.train", text_list, may_change,
                                                "Training files or directories; a directory means "
                                                "its regular files in order of name, links "
                                                "excluded; texts are joined without a separator"))),
      computed(key<kData, &DataConfig::validation>("data.validation", text_list, may_change,
                                                   "Validation files or directories; excludes "
                                                   "validation_fraction"),
               "the last part of the training text"),
      key<kData, &DataConfig::validation_fraction>(
          "data.validation_fraction", real, fixed,
          "Share of the training text, at its end, held out for validation; 0: none", kUnitOpen),
      among(key<kData, &DataConfig::tokenizer>("data.tokenizer", choice, fixed,
                                               "Tokenizer of the text"),
            {{"bytes"}}),
      among(key<kData, &DataConfig::order>(
                "data.order", choice, fixed,
                "Sample order: a permutation per epoch from the seed, or the order of the text"),
            {{"shuffled"}, {"sequential"}}),
  };
}

}  // namespace stagecraft
