#include "launch/config/training_keys.h"

#include "launch/config/key_binding.h"
#include "models/families/model_config.h"

namespace stagecraft {
namespace {

using enum KeyType;

constexpr double kMaxSize = 1 << 24;               // of a model, along one dimension
constexpr double kMaxSequences = 1 << 20;          // per batch
constexpr double kLargestSeed = 9007199254740991;  // 2^53 - 1: exact in every JSON reader too

constexpr auto kRun = &RunSettings::run;
constexpr auto kModel = &RunSettings::model;
constexpr auto kBatch = &RunSettings::batch;
constexpr auto kOptimizer = &RunSettings::optimizer;
constexpr auto kData = &RunSettings::data;

Keys batch_keys() {
  const Range size = within(1, kMaxSequences);
  return {
      needed(key<kOptimizer, &OptimizerConfig::steps>("train.steps", integer, "Optimizer steps",
                                                      within(1, kMaxSteps))),
      needed(key<kBatch, &BatchConfig::global_batch>(
          "train.global_batch", integer, "Sequences per step over all data ranks", size)),
      needed(
          key<kBatch, &BatchConfig::micro_batch>("train.micro_batch", integer,
                                                 "Sequences of one micro-batch on one data rank; "
                                                 "times parallel.data it divides global_batch",
                                                 size)),
      among(key<kBatch, &BatchConfig::precision>("train.precision", choice,
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
          "train.learning_rate", real, "Highest learning rate, reached after warm-up", above(0)),
      key<kOptimizer, &OptimizerConfig::min_learning_rate>(
          "train.min_learning_rate", real,
          "Learning rate at the last step, where the cosine ends; at most learning_rate", from(0)),
      key<kOptimizer, &OptimizerConfig::warmup_steps>("train.warmup_steps", integer,
                                                      "Steps of linear warm-up; at most steps",
                                                      within(0, kMaxSteps)),
      key<kOptimizer, &OptimizerConfig::beta1>("train.beta1", real,
                                               "AdamW's decay of the first moment", kUnitOpen),
      key<kOptimizer, &OptimizerConfig::beta2>("train.beta2", real,
                                               "AdamW's decay of the second moment", kUnitOpen),
      key<kOptimizer, &OptimizerConfig::epsilon>("train.epsilon", real,
                                                 "AdamW's term in the denominator", above(0)),
      key<kOptimizer, &OptimizerConfig::weight_decay>(
          "train.weight_decay", real,
          "Decoupled decay of all two-dimensional parameters, including embeddings", from(0)),
      key<kOptimizer, &OptimizerConfig::clip>(
          "train.clip", real, "Largest global gradient norm; 0: no clipping", from(0)),
  };
}

Keys run_length_keys() {
  return {
      key<kRun, &RunOptions::seed>("train.seed", integer,
                                   "Seed of initial weights, dropout and data order",
                                   within(0, kLargestSeed)),
      key<kRun, &RunOptions::eval_every>("train.eval_every", integer,
                                         "Steps between evaluations; 0: only at the end",
                                         within(0, kMaxSteps)),
      key<kRun, &RunOptions::eval_batches>(
          "train.eval_batches", integer,
          "Batches of global_batch samples in every evaluation, including the last; 0: all",
          within(0, kMaxSteps)),
  };
}

}  // namespace

Keys model_keys() {
  const Range size = within(1, kMaxSize);
  const Need need = Need::without_preset;
  return {
      needed(among(key<kModel, &ModelConfig::family>("model.family", choice, "Architecture"),
                   {{"gpt"}, {"bert", false}})),
      computed(
          among(key<kModel, &ModelConfig::preset>(
                    "model.preset", choice, "Sizes of a published model; other keys override them"),
                choices_of(model_presets())),
          "none"),
      needed(key<kModel, &ModelConfig::layers>("model.layers", integer, "Transformer blocks",
                                               within(1, kMaxLayers)),
             need),
      needed(key<kModel, &ModelConfig::hidden>("model.hidden", integer,
                                               "Width of the residual stream", size),
             need),
      needed(key<kModel, &ModelConfig::heads>(
                 "model.heads", integer,
                 "Attention heads; divides hidden and is divisible by parallel.tensor", size),
             need),
      needed(
          key<kModel, &ModelConfig::sequence>("model.sequence", integer, "Tokens per sample", size),
          need),
      computed(key<kModel, &ModelConfig::vocab>("model.vocab", integer,
                                                "Vocabulary size; at least the tokenizer's", size),
               "the preset's, or else the tokenizer's"),
      key<kModel, &ModelConfig::dropout>(
          "model.dropout", real,
          "Dropout probability in embedding, attention and both residual branches", kUnitOpen),
      computed(key<kModel, &ModelConfig::init_from>(
                   "model.init_from", text,
                   "Folder with the initial weights: a GPT-2 in the hub's format, float32"),
               "none: random weights"),
  };
}

Keys train_keys() { return concatenated({batch_keys(), optimizer_keys(), run_length_keys()}); }

Keys data_keys() {
  return {
      not_empty(
          needed(key<kData, &DataConfig::train>("data.train", text_list,
                                                "Training files or directories; a directory means "
                                                "its regular files in order of name, links "
                                                "excluded; texts are joined without a separator"))),
      computed(key<kData, &DataConfig::validation>("data.validation", text_list,
                                                   "Validation files or directories; excludes "
                                                   "validation_fraction"),
               "the last part of the training text"),
      key<kData, &DataConfig::validation_fraction>(
          "data.validation_fraction", real,
          "Share of the training text, at its end, held out for validation; 0: none", kUnitOpen),
      among(key<kData, &DataConfig::tokenizer>("data.tokenizer", choice, "Tokenizer of the text"),
            {{"bytes"}}),
      among(key<kData, &DataConfig::order>(
                "data.order", choice,
                "Sample order: a permutation per epoch from the seed, or the order of the text"),
            {{"shuffled"}, {"sequential"}}),
  };
}

}  // namespace stagecraft
