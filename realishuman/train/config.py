"""What a training run can be told: every setting with its default.

A configuration file has one table per dataclass below; config_file.py reads it. What it leaves out
has the default given here, which is the paper's where the paper says something.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from realishuman.packs.header import EncoderShape, ScheduleConstants, UnetShape, VaeShape
from realishuman.packs.shapes import SD15, PackSizes


@dataclass(frozen=True)
class PackConfig:
    """What the pack will say about itself; see packs.header.PackHeader."""

    name: str
    kind: str = "hand"
    weights: str = "trained"
    pose: str = "shaded"
    preset: str = "released"
    resolution: int = 512
    steps: int | None = None
    guidance: float | None = None
    margin: float | None = None
    erode: int | None = None
    keep_core: bool = False
    mesh: str = "embedded"
    licence: str = "Apache-2.0"
    source: str = "trained with realishuman train"


@dataclass(frozen=True)
class Networks:
    """Sizes of all networks; the released checkpoints' where nothing is said.

    pose    widths of the pose guider, finest first; it halves the picture at each but the first.
    prompt  tokens of each prompt embedding of stage two.
    """

    unet: UnetShape = SD15.unet
    stage_two_unet: UnetShape = SD15.stage_two_unet
    vae: VaeShape = SD15.vae
    image_encoder: EncoderShape = SD15.image_encoder
    pose: tuple[int, ...] = SD15.pose
    prompt: int = SD15.prompt

    def sizes(self) -> PackSizes:
        """The same, as the pack's readers and writers want them."""
        return PackSizes(
            self.unet, self.stage_two_unet, self.vae, self.image_encoder, self.pose, self.prompt
        )

    @property
    def factor(self) -> int:
        """Pixels per latent."""
        return 1 << (len(self.vae.channels) - 1)


@dataclass(frozen=True)
class Data:
    """Where training crops come from and how they vary.

    folder      of crops made by `realishuman train synthesise` or `prepare` for this configuration.
    side        of the rendered pictures the crops are cut from, in pixels.
    margin      range of the crop's side, in longer sides of the part.
    shift       of the crop's centre, at most, in crop sides.
    erode       range of the kernel that makes m_e, in pixels of a 512 crop; None keeps to what the
                pack or its preset says. A user may move it, so stage two should know more than one.
    pose_noise  of the mesh the network is shown, standard deviation of each joint in hand sizes;
                an estimated mesh is never exact, and must not be copied as if it were.
    pose_exact  share of the crops whose mesh is exact.
    estimated   share of rendered crops whose mesh is instead estimated from the malformed picture,
                as in use; it follows the defect, and the networks learn what to make of that.
    variants    of each crop: even ones as they are, odd ones mirrored, from the third on also
                recoloured.
    held_out    crops, the last ones, that training never sees.
    repainted   share of the photographed hands whose good picture is repainted as well, by the
                transplant that made the malformed one. For a judge: it must not take the traces of
                painting for a defect.
    """

    folder: str
    side: int = 256
    margin: tuple[float, float] = (1.5, 2.2)
    shift: float = 0.05
    erode: tuple[int, int] | None = None
    pose_noise: float = 0.02
    pose_exact: float = 0.5
    estimated: float = 0.0
    variants: int = 2
    held_out: int = 16
    repainted: float = 0.0


@dataclass(frozen=True)
class Stage:
    """How one network, or stage, is trained.

    batch         samples per step, over all processes and accumulated parts.
    accumulate    parts a batch is split into, one after another, to save memory.
    warmup        steps over which the learning rate rises from 0.
    decay         share of the steps, at the end, over which it falls to 0.
    ema           decay of the averaged weights, which the pack gets; 0 averages nothing.
    drop          share of samples that see no reference and no tokens, or the empty prompt.
    min_snr       gamma of min-SNR weighting; None weights all timesteps alike, as the paper.
    visited       train only the timesteps that sampling with this many steps visits, for small
                  networks that have no time for others; None trains all, as the paper.
    shard         split weights, gradients, optimizer and averages over the processes (FSDP2).
    initial       weights to start from: a pack, or a Stable Diffusion 1.x as one file (in names
                  of ldm, or one network in diffusers') or as a diffusers folder; else random ones.
    encoder       DINOv2's model.safetensors, for stage one's image encoder.
    dino_positions  how that file's position table is brought to the encoder's side, "new" or "old",
                  as packs.convert.resize_positions takes it.
    prompt        the text encoder that embeds the prompt of stage two, or these embeddings.
    train_encoder  train the image encoder too; the paper keeps a pretrained one as it is.
    cache_tokens  keep the tokens of an encoder that is not trained on disk, for stage one; never
                  with `groups`.
    groups        show stage one another picture of the same folder, well-formed, with its own pose,
                  as the released training does; crops without one see themselves malformed.
    exact_core    show stage two the good part in m_e as it is, as in equation 4; otherwise two of
                  three samples are slightly recoloured or softened.
    """

    steps: int
    batch: int = 5
    accumulate: int = 1
    learning_rate: float = 5e-5
    warmup: int = 0
    decay: float = 0.0
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.0
    drop: float = 0.01
    min_snr: float | None = None
    visited: int | None = None
    precision: str = "float32"
    gradient_checkpointing: bool = False
    shard: bool = False
    initial: str | None = None
    encoder: str | None = None
    dino_positions: str = "new"
    prompt: str | None = None
    train_encoder: bool = False
    cache_tokens: bool = True
    groups: bool = False
    exact_core: bool = False
    seed: int = 0
    save_every: int = 1000
    sample_every: int = 1000


def critic_stage(seed: int) -> Stage:
    """How a critic is trained where nothing is said."""
    return Stage(
        steps=1500,
        batch=16,
        learning_rate=2e-3,
        warmup=50,
        decay=0.8,
        precision="bfloat16",
        seed=seed,
        save_every=100,
    )


@dataclass(frozen=True)
class Critic:
    """A small network that looks at crops: the judge that gates a run, or evaluation's scorer.

    first, count  the crops it learns from; the judge's and the scorer's must not overlap.
    estimated     of every so many-th crop the meshes are also estimated, as in use.
    widths        of its levels, finest first; each halves the picture.
    stage         how it is trained; one sample is a pair, so a batch has twice as many pictures.
    """

    first: int = 0
    count: int = 4096
    estimated: int = 3
    widths: tuple[int, ...] = (24, 40, 80, 128)
    stage: Stage = field(default_factory=lambda: critic_stage(seed=0))


@dataclass(frozen=True)
class Corrector:
    """A small network that corrects the landmarks of malformed hands.

    first, count  seeds of the hands it learns from; the first 256 are held out.
    photographs   folder of photographs, searched with its subfolders, whose hands it learns from
                  as well; of them, too, the first file of hands is held out. None: rendered alone.
    widths        of its levels, finest first, four; each halves the picture.
    """

    first: int = 5_000_000
    count: int = 12_288
    photographs: str | None = None
    widths: tuple[int, int, int, int] = (24, 48, 96, 160)
    stage: Stage = field(
        default_factory=lambda: Stage(
            steps=4000,
            batch=32,
            learning_rate=2e-3,
            warmup=100,
            decay=0.6,
            precision="bfloat16",
            save_every=200,
        )
    )


@dataclass(frozen=True)
class TrainConfig:
    """Everything a training run is told.

    output    folder of checkpoints, curves and samples, one folder in it per stage.
    """

    output: str
    pack: PackConfig
    data: Data
    networks: Networks = Networks()
    schedule: ScheduleConstants = field(default_factory=ScheduleConstants)
    autoencoder: Stage = field(default_factory=lambda: Stage(steps=0))
    stage_one: Stage = field(default_factory=lambda: Stage(steps=50_000, batch=5))
    stage_two: Stage = field(default_factory=lambda: Stage(steps=20_000, batch=16))
    judge: Critic = field(default_factory=Critic)
    scorer: Critic = field(default_factory=lambda: Critic(first=4096, stage=critic_stage(seed=1)))
    corrector: Corrector = field(default_factory=Corrector)
