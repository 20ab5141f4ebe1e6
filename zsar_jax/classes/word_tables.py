"""Frozen word lists behind `words.py`: the E2E release's own choices, and the few words where a dictionary is wrong about users' names.

The E2E lemmas are WordNet's verb senses, right or not ("riding" -> rid, "hands" -> hand): published
accuracies were measured with them, so they stay as they are. User folders get plain English instead.
"""


def _pairs(text: str) -> dict[str, str]:
  return dict(pair.split(">", 1) for pair in text.split())


def _set(text: str) -> frozenset[str]:
  return frozenset(text.split())


# --- plain English, for names that a user writes ---

STOP_WORDS = _set("""
a an and at by for from in into of on or the their to while with
""")

# Nouns in -ing that the dictionary takes for a form of another verb.
ING_NOUNS = _set("""
clothing evening farthing inning railing sterling viking wedding
""")

# Verbs in -ing that the dictionary takes for nouns, or does not know and misjudges by their spelling.
ING_LEMMAS = _pairs("""
bullfighting>bullfight felting>felt headbutting>headbutt mimicking>mimic paragliding>paraglide parasailing>parasail
skydiving>skydive snowkiting>snowkite snowmobiling>snowmobile tightroping>tightrope tubing>tube windsurfing>windsurf
""")

# --- the E2E release ---

E2E_STOP_WORDS = _set("""
a an the in on of with or to at be using
""")

# Every word of the data sets' names that changes; any other stays as it is written.
E2E_LEMMAS = _pairs("""
abseiling>abseil acting>act adjusting>adjust anchoring>anchor answering>answer applauding>applaud
applying>apply arguing>argue arranging>arrange arresting>arrest assembling>assemble attending>attend
auctioning>auction bagging>bag baking>bake bandaging>bandage barbequing>barbeque bathing>bath being>be
bending>bend biking>bike blasting>blast blending>blend blow-drying>dry blowdrying>dry blowing>blow
boarding>board bottling>bottle bouncing>bounce bowling>bowl boxing>box braiding>braid breadcrumbing>crumb
breading>bread breaking>break breathing>breathe brushing>brush building>build bulldozing>bulldoze burning>burn
burping>burp busking>busk calculating>calculate canoeing>canoe capsizing>capsize carrying>carry
cartwheeling>cartwheel carving>carve casting>cast catching>catch celebrating>celebrate changing>change
chasing>chase checking>check cheerleading>cheerlead chewing>chew chipping>chip chiseling>chisel chopping>chop
clapping>clap cleaning>clean climbing>climb clipping>clip closing>close collecting>collect coloring>color
combing>comb contorting>contort cooking>cook coughing>cough counting>count cracking>crack crawling>crawl
crocheting>crochet crossing>cross crying>cry curling>curl cutting>cut dancing>dance dealing>deal decking>deck
decorating>decorate delivering>deliver detecting>detect digging>dig dining>din directing>direct diving>dive
docking>dock doing>do drawing>draw dribbling>dribble drinking>drink driving>drive drooling>drool drumming>drum
dunking>dunk dyeing>dye dying>die eating>eat embroidering>embroider entering>enter exercising>exercise
extinguishing>extinguish falling>fall feeding>feed felting>felt fencing>fence fidgeting>fidget fighting>fight
filling>fill fishing>fish fixing>fix flipping>flip flying>fly folding>fold foraging>forage frying>fry
gargling>gargle getting>get giving>give golfing>golf grinding>grind grooming>groom hammering>hammer
hanging>hang having>have headbutting>headbutt herding>herd hitting>hit holding>hold hooping>hoop
huddling>huddle hugging>hug hunting>hunt hurdling>hurdle hurling>hurl inflating>inflate installing>instal
interpreting>interpret ironing>iron jaywalking>jaywalk jogging>jog juggling>juggle jumping>jump kayaking>kayak
keeping>keep kicking>kick kissing>kiss knapping>knap kneeling>kneel knitting>knit laughing>laugh laying>lay
letting>let licking>lick lifting>lift lighting>light listening>listen looking>look making>make marching>march
massaging>massage milking>milk mixing>mix mooping>mop mopping>mop motorcycling>motorcycle moving>move
mowing>mow opening>open packing>pack painting>paint panning>pan passing>pass peeling>peel petting>pet
photocopying>photocopy picking>pick piercing>pierce pinching>pinch pirouetting>pirouette planing>plan
planting>plant plastering>plaster playing>play poaching>poach poking>poke polishing>polish popping>pop
pouring>pour preparing>prepare presenting>present pressing>press pretending>pretend pulling>pull pumping>pump
punching>punch pushing>push putting>put racing>race rafting>raft raising>raise raking>rake reading>read
receiving>receive recording>record removing>remove repairing>repair riding>rid ripping>rip roasting>roast
rollerblading>rollerblade rolling>roll roping>rope rowing>row running>run sailing>sail saluting>salute
sanding>sand sawing>saw scrambling>scramble scrubbing>scrub seasoning>season separating>separate setting>set
sewing>sew shaking>shake shaping>shape sharpening>sharpen shaving>shave shearing>shear shining>shin
shooting>shoot shopping>shop shouting>shout shoveling>shovel shredding>shred shucking>shuck shuffling>shuffle
sieving>sieve singing>sing sipping>sip skateboarding>skateboard skating>skate skiing>ski skipping>skip
skydiving>skydive slapping>slap sleeping>sleep slicing>slice sliding>slide smashing>smash smelling>smell
smoking>smoke snapping>snap sneezing>sneeze sniffing>sniff snorkeling>snorkel snowboarding>snowboard
snowmobiling>snowmobile somersaulting>somersault spelunking>spelunk spiking>spike spinning>spin
splashing>splash spraying>spray squeezing>squeeze stacking>stack standing>stand staring>star starting>start
steering>steer sticking>stick stomping>stomp stretching>stretch strumming>strum sucking>suck surfing>surf
surveying>survey swallowing>swallow sweeping>sweep swimming>swim swinging>swing tackling>tackle tagging>tag
taking>take talking>talk tapping>tap tasting>taste testifying>testify threading>thread throwing>throw
tickling>tickle tiptoeing>tiptoe tobogganing>toboggan tossing>toss training>train treating>treat trimming>trim
tubing>tube tumbling>tumble twiddling>twiddle twirling>twirl tying>tie typing>type unboxing>unbox
uncorking>uncork unloading>unload vacuuming>vacuum visiting>visit wading>wad waiting>wait waking>wake
walking>walk washing>wash watching>watch watering>water waving>wave waxing>wax weaving>weave welding>weld
whistling>whistle windsurfing>windsurf winking>wink wrapping>wrap wrestling>wrestle writing>write yawning>yawn
aeroplanes>airplane balloons>balloon balls>ball bars>bar birds>bird boards>board bubbles>bubble candles>candle
cards>card checkers>checker chips>chip claws>claw clothes>clothe colours>colors congas>conga crunches>crunch
cups>cup darts>dart dishes>dish doughnuts>bun drinks>drink drums>drum eggs>egg excited>excite eyes>eye
fingers>finger flowers>flower forniture>furniture games>game glasses>glass gutters>gutter hands>hand
horseshoes>horseshoe jack-o-lanterns>pumpkin jacks>jack jumpstyle>jumping knuckles>knuckle laces>lace
leaves>leave lunges>lunge marbles>marble nails>nail oysters>oyster pins>pin pipes>pip plants>plant plates>plat
presents>present raises>raise rings>ring scallops>scallop scissors>scissor shapes>shape sharks>shark
shoes>shoe shot>shoot skis>ski snowballs>snowball squats>squat tiles>tile tires>tire trains>train trees>tree
ups>up
""")

# Whole names that the release words anew, spelt in lower case with spaces.
E2E_NAMES = {
  "clean and jerk": "weight lift",
  "dancing gangnam style": "dance korean",
  "faceplanting": "face fall",
  "hoverboarding": "skateboard electric",
  "massaging person's head": "head",
  "passing american football (in game)": "pass american football match",
  "passing american football (not in game)": "pass american football park",
  "photobombing": "take picture",
  "playing rubiks cube": "play cube",
  "using remote controller (not gaming)": "remote control",
  "throwing axe": "throwing ax",
  "curling (sport)": "curling sport",
  "tying knot (not on a tie)": "ty knot",
  "punching person (boxing)": "punch person boxing",
}

E2E_NAMES_BY_SOURCE = {
  "ucf101": {
    "pull ups": "pullups",
    "push ups": "pushups",
    "tai chi": "taichi",
    "yo yo": "yoyo",
    "writing on board": "write on board",
    "throw discus": "throw disc",
    "skijet": "Skyjet",
  },
  "activitynet200": {
    "clean and jerk": "clean jerk",
    "ping-pong": "table tennis",
    "plataform diving": "diving trampoline",
    "playing rubik cube": "play cube",
    "powerbocking": "jump shoes",
    "rock-paper-scissors": "play rock paper scissors",
    "trimming branches or hedges": "trim branch or hedge",
  },
}
