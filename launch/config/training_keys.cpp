#include "launch/config/training_keys.h"

#include "launch/config/key_binding.h"
#include "models/families/model_config.h"

namespace stagecraft {
namespace {

using enum KeyType;

constexpr double kMaxSize = 1 << 24;               // of a model, along one dimension
constexpr double kMaxSequences = 1 << 20;          // of a batch
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
                                                 "parallel.data times it divides global_batch",
                                                 size)),
      among(key<kBatch, &BatchConfig::precision>("train.precision", choice,
                                                 "How layers compute: tf32 rounds the factors of "
                                                 "matrix products, bf16 keeps activations "
                                                 "and a copy of the weights in bfloat16; on GPUs, "
                                                 "bf16 also where the processor has it"),
            {{"float32"}, {"tf32"}, {"bf16"}}),
  };
}

Keys optimizer_keys() {
  return {
      key<kOptimizer, &OptimizerConfig::learning_rate>(
          "train.learning_rate", real, "The highest learning rate, after warm-up", above(0)),
      key<kOptimizer, &OptimizerConfig::min_learning_rate>(
          "train.min_learning_rate", real,
          "Where the cosine ends, at the last step; at most learning_rate", from(0)),
      key<kOptimizer, &OptimizerConfig::warmup_steps>("train.warmup_steps", integer,
                                                      "Steps of linear warm-up; at most steps",
                                                      within(0, kMaxSteps)),
      key<kOptimizer, &OptimizerConfig::beta1>("train.beta1", real,
                                               "AdamW's decay of the first moment", kUnitOpen),
      key<kOptimizer, &OptimizerConfig::beta2>("train.beta2", real,
                                               "AdamW's decay of the second moment", kUnitOpen),
      key<kOptimizer, &OptimizerConfig::epsilon>("train.epsilon", real,
                                                 "AdamW's addition to the denominator", above(0)),
      key<kOptimizer, &OptimizerConfig::weight_decay>(
          "train.weight_decay", real,
          "Decoupled decay of every parameter of two dimensions, embeddings included", from(0)),
      key<kOptimizer, &OptimizerConfig::clip>(
          "train.clip", real, "Largest global gradient norm; 0 switches clipping off", from(0)),
  };
}

Keys session_keys() {
  return {
      key<kRun, &RunOptions::seed>("train.seed", integer,
                                   "Of starting weights, dropout and data order",
                                   within(0, kLargestSeed)),
      key<kRun, &RunOptions::eval_every>("train.eval_every", integer,
                                         "Steps between evaluations; 0: only at the end",
                                         within(0, kMaxSteps)),
      key<kRun, &RunOptions::eval_batches>(
          "train.eval_batches", integer,
          "Batches of global_batch samples that every evaluation reads, the last one too; 0: all",
          within(0, kMaxSteps)),
  };
}

}  // namespace

Keys model_keys() {
  const Range size = within(1, kMaxSize);
  const Need need = Need::without_preset;
  return {
      needed(among(key<kModel, &ModelConfig::family>("model.family", choice, "The architecture"),
                   {{"gpt"}, {"bert", false}})),
      computed(among(key<kModel, &ModelConfig::preset>(
                         "model.preset", choice,
                         "A published model's sizes; sizes given beside it replace its"),
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
                 "Attention heads; divides hidden, and parallel.tensor divides it", size),
             need),
      needed(
          key<kModel, &ModelConfig::sequence>("model.sequence", integer, "Tokens per sample", size),
          need),
      computed(key<kModel, &ModelConfig::vocab>(
                   "model.vocab", integer, "Tokens that the model knows; at least the tokenizer's",
                   size),
               "the preset's, else the tokenizer's"),
      key<kModel, &ModelConfig::dropout>(
          "model.dropout", real,
          "Probability of dropping, in embedding, attention and both residual branches", kUnitOpen),
      computed(key<kModel, &ModelConfig::init_from>(
                   "model.init_from", text,
                   "Folder of a GPT-2 in the hub's format, float32, to start from"),
               "none: random weights"),
  };
}

Keys train_keys() { return joined({batch_keys(), optimizer_keys(), session_keys()}); }

Keys data_keys() {
  return {
      not_empty(
          needed(key<kData, &DataConfig::train>("data.train", text_list,
                                                "Files or directories to train on; a directory "
                                                "means its regular files by name, links left "
                                                "out; joined with nothing between"))),
      computed(
          key<kData, &DataConfig::validation>("data.validation", text_list,
                                              "Files or directories to validate on; not beside "
                                              "validation_fraction"),
          "the last part of the training text"),
      key<kData, &DataConfig::validation_fraction>(
          "data.validation_fraction", real,
          "Share of the training text, at its end, that is kept for validation; 0: none",
          kUnitOpen),
      among(key<kData, &DataConfig::tokenizer>("data.tokenizer", choice, "How text becomes tokens"),
            {{"bytes"}}),
      among(key<kData, &DataConfig::order>(
                "data.order", choice,
                "A permutation per epoch that follows from the seed, or the text's own"),
            {{"shuffled"}, {"sequential"}}),
  };
}

}  // namespace stagecraft
