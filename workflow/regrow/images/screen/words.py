"""The screen's word lists. They are Python, so the digest of a stage's code covers them: a new word is a new screen.

All words are folded as `regrow.images.screen.folding.fold` folds: no accents, lower case. They err on dropping.
"""

# Minors: whole words, in English and, transliterated or not, in other languages with Latin letters.
MINORS = frozenset(
    (
        "child childs children childrens childhood childlike childish kid kids kidz kiddie kiddies kiddo kiddos "
        "boy boys boyish boyhood boi bois girl girls girly girlie girlies girlish girlhood gurl gurls grl grls "
        "baby babies babe infant infants infantile newborn newborns neonate neonates toddler toddlers teen teens "
        "teenage teenaged teenager teenagers teeny tween tweens preteen preteens adolescent adolescents "
        "adolescence juvenile juveniles minor minors underage underaged youth youths youthful youngster "
        "youngsters young younger youngest yung schoolboy schoolboys schoolgirl schoolgirls schoolchild "
        "schoolchildren schooler schoolers school schools preschool preschooler preschoolers kindergarten "
        "kindergartner kindergartener student students pupil pupils classmate classmates freshman freshmen "
        "sophomore sophomores grader graders cheerleader cheerleaders daycare nursery playground crib cradle "
        "stroller pram diaper diapers nappy nappies pacifier puberty pubescent prepubescent daughter daughters "
        "son sons stepdaughter stepson granddaughter grandson grandchild grandchildren godchild niece nieces "
        "nephew nephews orphan orphans lad lads laddie lass lasses lassie bairn bairns tot tots tyke tykes "
        "urchin urchins brat brats rugrat rugrats moppet tomboy tomboys cherub cherubs putto putti loli lolis "
        "lolita lolitas lolicon shota shotas shotacon nymphet nymphets jailbait chibi pedo paedo pedophile "
        "paedophile minorz teenz nino nina ninos ninas chico chica chicos chicas chiquillo chiquilla muchacho "
        "muchacha muchachos muchachas bebe bebes adolescente adolescentes colegiala colegial menor menores "
        "crianca criancas menino menina meninos meninas garoto garota garotos garotas moleque enfant enfants "
        "enfance fille filles fillette fillettes garcon garcons garconnet gamin gamine bambin bambina bambino "
        "bambini bambine nourrisson mineure mineur mineurs ado ados ecolier ecoliere ragazza ragazze ragazzo "
        "ragazzi ragazzina ragazzino fanciulla fanciullo neonato neonata minorenne minorenni kinder kindern "
        "kindes kindlich kleinkind maedchen madchen madel junge jungen jungs bub buben knabe knaben saugling "
        "jugendliche jugendlicher jugendlichen minderjahrig minderjahrige schuler schulerin tochter sohn "
        "teenagerin meisje meisjes meiske jongen jongens jongetje kindje kinderen peuter kleuter tiener tieners "
        "puber minderjarig minderjarige barnet flicka flickor pojke pojkar pige piger dreng drenge jente jenter "
        "gutten lapsi lapset tytto poika dziecko dzieci dziewczynka dziewczynki dziewczyna chlopiec chlopcy "
        "niemowle nastolatek nastolatka ditya dite deti divka holka chlapec kluk copil copii fetita baiat baieti "
        "gyerek gyermek kislany kisfiu lany fiu cocuk cocuklar kiz kizlar erkek ergen bebek anak gadis remaja "
        "bocah bayi shojo shoujo shonen shounen kodomo yojo imouto otouto joshikosei devochka devochki malchik "
        "malchiki rebenok podrostok shkolnitsa yeoja sonyeo sonyeon haksaeng"
    ).split()
)
# Minors: wherever they stand in a word, as in what an attack learns without blanks.
STEMS = (
    "girl child kinder teen toddler schoolb schoolg preteen underage lolit lolic shotac pubescen baby infant "
    "adolesc juvenil youngst jailbait"
).split()
# Minors: long enough to be known with one letter wrong, left out or swapped.
OFTEN_MISSPELT = (
    "children toddler toddlers teenager teenagers teenage preteen preteens schoolgirl schoolgirls schoolboy "
    "schoolboys underage adolescent adolescents juvenile juveniles youngster youngsters kindergarten"
).split()
# Minors: words that are also known with blanks in them, as a tokenizer's pieces leave them.
OFTEN_BROKEN = frozenset("girl girls boy boys child children kid kids teen teens teenager baby babies toddler".split())
# Words that hold a stem and mean an adult or a thing. "girlfriend" says nothing of an age.
EXEMPT = frozenset(
    "girlfriend girlfriends cowgirl cowgirls showgirl showgirls infantry infantryman infantrymen babylon "
    "babylonian canteen canteens velveteen sateen thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth umpteen".split()
)
# Minors: several words.
MINOR_PHRASES = (
    r"\b(?:ein|das|dem|kleines|nacktes|een|het|klein) kind\b",
    r"\bsweet (?:sixteen|16)\b",
    r"\bbarely (?:legal|18|eighteen)\b",
    r"\blittle (?:one|ones|league|sister|brother|sis|bro)\b",
    r"\bcoming of age\b",
    r"\bpuer(?:i|os|is)?\b|\bpuella",
    r"\b(?:girl|boy|cub) scouts?\b",
    r"\bgrade \d",
)
# Minors: in scripts without blanks between words, or whose words take endings; found anywhere, _ stands for a blank.
MINORS_ANYWHERE = (
    "子供 子ども こども 少女 少年 幼女 幼児 女児 男児 女の子 男の子 赤ちゃん 赤ん坊 未成年 小学生 中学生 "
    "高校生 女子高生 学生 ロリ ショタ 孩子 小孩 儿童 兒童 女孩 男孩 女童 男童 幼童 婴儿 嬰兒 萝莉 蘿莉 正太 "
    "學生 青少年 아이 어린이 소녀 소년 아기 미성년 학생 여고생 로리 เด็ก ทารก วัยรุ่น बच्चा बच्चे बच्ची "
    "बच्चों लड़की लड़का किशोर नाबालिग طفل أطفال اطفال فتاة بنت صبي ولد قاصر مراهق رضيع ילד נערה נער תינוק "
    "קטין девочк девчонк девушк мальчик мальчиш ребенок ребёнок ребенк ребёнк детск дети детей подрост "
    "школьни младен малыш несовершеннолет дитин дівчин хлопчик немовля підліт παιδι παιδί κορίτσι κοριτσι "
    "αγόρι αγορι μωρό έφηβ ανήλικ trẻ_em đứa_trẻ bé_gái bé_trai thiếu_niên"
).split()
MINOR_SIGNS = frozenset("👶🧒👦👧🍼🚼👼🎒🏫")
# What follows or precedes a number that is an age; folded.
YEARS = (
    r"(?:years?|yrs?|yr|y\W{0,2}o|yo|ans|anos|anios|jahre?n?|jahrige?[rsn]?|anni|jaar|jarige?|lat|let|arig|vuotta|vuotias|"
    r"yasinda|tahun|tuoi|лет|года?|рок[іи]в?|岁|歲|歳|才|세|살|साल|वर्ष|سنة|سنوات|عام|ετων|שנים|בת|בן)"
)
AGE_BEFORE = r"(?:age|aged|ages|agee?|turning|turns|edad|alter|leeftijd|eta|idade|возраст|возрасте|年齢|年龄)"
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
).split()

# People: what a credit, a title or a role says.
CREDIT = r"(?<!surrounded )by"
# What may follow "by" and names nobody.
NOT_A_CREDIT = frozenset(
    (
        "a an the his her its their my your our this that these those some any each another one two three four "
        "five six several many people person someone somebody nobody everyone everybody man men woman women "
        "adults himself herself itself themselves side night day dawn dusk moonlight sunlight candlelight "
        "firelight lamplight streetlight hand foot car train bus bike bicycle boat ship plane truck taxi tram "
        "ferry horse horseback sea water air land lake river ocean windows window trees tree grass rocks "
        "mountains buildings walls water flowers snow cars boats people cows sheep horses birds dogs cats "
        "animals it him them me us you which what where now far default and or mistake accident design nature "
        "numbers means way standing sitting walking using being having making holding looking riding not no on "
        "with at in as to from up near all both other others another large small big tall green"
    ).split()
)
TITLES = frozenset("mr mrs ms miss sir madam dr prof senator congressman congresswoman".split())
ROLES = frozenset(
    (
        "president presidents pope chancellor politician politicians celebrity celebrities celeb celebs famous "
        "actress actresses actor actors singer singers popstar popstars supermodel supermodels influencer "
        "influencers youtuber youtubers streamer streamers idol idols kpop megastar superstar"
    ).split()
)
ROLE_PHRASES = (
    r"\b(?:first lady|prime minister|(?:movie|film|pop|rock|tv|porn) ?stars?|k pop|real person|real people)\b",
    r"\b(?:king|queen|prince|princess|duke|duchess|lord|lady|pope|saint) of [a-z]+\b",
    r"\b(?:looks? like|looking like|resembling|face of)\b"
    r"(?! (?:a|an|the|it|its|there|one|two|some|someone|they|he|she|this|that)\b)",
    r"\b(?:lookalike|look alike|likeness of|deepfake|starring|played by)\b",
)
# Given names that are no English words, each common in at least one language; whoever bears one may be real.
GIVEN_NAMES = frozenset(
    (
        "aaron abby abdul abigail adam adele adrian adriana agnes ahmed aisha akira alan albert alberto "
        "alejandra alejandro alessandra alessandro alexander alexandra alexandre alexei alexis alfred alfredo "
        "ali alice alicia alison allison alyssa amanda amelia amina amir amy ana anastasia andre andrea andreas "
        "andrei andrew andy angela angelica angelina anita ann anna annabel anne annette annie anthony antoine "
        "anton antonio anya ariana arnold arthur ashley ashton astrid audrey barbara barry beatrice beatriz "
        "becky ben benedict benjamin bernard bernardo beth bethany betty beverly bianca bjorn bob boris brad "
        "bradley brandon brenda brendan brian bridget britney brittany bruce bruno bryan caitlin cameron camila "
        "camille candice carl carla carlos carmen caroline carolyn carrie catherine cathy cecilia celine cesar "
        "charles charlie charlotte cheryl chloe chris christian christina christine christopher cindy claire "
        "clara claude claudia clint colin connor constance craig cristiano cynthia dan dana daniel daniela "
        "danielle danny darren dave david deborah debra deepika denise dennis derek diana diane diego dieter "
        "dmitri dolores dominic donald donna dorothy doug douglas dwayne dylan eddie edgar edith edmund eduardo "
        "edward edwin elena eleanor eli elisabeth elizabeth ella ellen elsa emilia emilio emily emma enrique "
        "eric erica erik erin ernest esther ethan eugene eva evan evelyn fatima felipe felix fernanda fernando "
        "fiona frances francesca francesco francis francois freddie frederic frederick frida friedrich "
        "gabriel gabriela gabrielle gareth gary geoffrey george georges gerald gerard giovanni giulia gloria "
        "gordon greg gregory greta guillermo gustav gustave gwen hannah hans harold harriet harry harvey hassan "
        "heidi helen helena helene henri henry herbert hillary hiroshi howard hugh hugo ian ibrahim igor ingrid "
        "irene irina isaac isabel isabella isabelle ivan jacob jacqueline jacques jaime jake james jamie jan "
        "jane janet janice jared jason javier jeff jeffrey jenna jennifer jenny jeremy jerome jerry jesse "
        "jessica jill jim jimmy joan joanna joaquin joe joel johan johann johanna john johnny jon jonathan jorge "
        "jose josef joseph josephine joshua juan judith julia julian juliana julie juliette julio justin karen "
        "karina karl kate katherine kathleen kathryn kathy katie katrina katy keira keith kelly kelsey ken "
        "kendall kendra kenneth kenny kevin kim kimberly kirsten klaus kristen kristin kristina kurt kyle kylie "
        "lara larry laura lauren laurence lea leah lebron lena leo leon leonard leonardo leslie liam linda "
        "lindsay lisa liza lois lorenzo louis louise luca lucas lucia lucy luigi luis luke luna lydia mackenzie "
        "madeleine madeline maggie malcolm manuel marc marcel marcelo marco marcus margaret margot maria mariana "
        "marie marilyn mario marion marlon marta martha martin marvin mary mateo mathieu matt matthew maureen "
        "maurice megan meghan melanie melissa mia michael michel michelle mick miguel mike mila mohammed mohamed "
        "molly monica morgan muhammad nadia nancy naomi natalia natalie natasha nathan neil nelson nicholas "
        "nicola nicolas nicole nigel nikola nina noah nora norman octavio olga oliver olivia olivier omar oscar "
        "otto pablo pamela patricia patrick paul paula paulo pedro peggy penelope peter phil philip philippe "
        "phillip pierre piotr priya priyanka quentin rachel rafael ralph ramon raphael raquel rebecca rebekah "
        "regina rene renee ricardo richard rick ricky rita robert roberta roberto roger roland ron ronald "
        "ronaldo rosa rosie ross roxanne roy rudolf rupert russell ruth ryan sabrina salma salvador sam samantha "
        "samuel sandra sara sarah sasha scarlett scott sean sebastian selena serena sergei sergio shakira "
        "shannon sharon shawn sheila shirley sigrid simon simone sofia sonia sophia sophie stacy stefan stella "
        "stephanie stephen steve steven stuart susan suzanne svetlana sven sylvester sylvia tamara tanya tara "
        "tatiana ted teresa terry thelma theodore theresa thomas tiffany tim timothy tina tobias todd tom tommy "
        "tony tracy travis trevor tyler ursula valentina valeria valerie vanessa vera veronica vicky victoria "
        "vikram vincent vincenzo vladimir walter wanda warren wendy werner wilhelm william winston wolfgang "
        "xavier yasmin yolanda yuki yusuf yvette yvonne zachary zoe"
    ).split()
)
PARTICLES = frozenset("van von der den de da del della di du la le dos das al el bin ibn ben ter ten st y e".split())
# Capitalised words that stand beside one another and are nobody's first and last name.
NO_NAMES = frozenset(
    (
        "a an the i in on at of and or for with from to by as is it its hd uhd 4k 8k 3d 2d dslr nsfw ccd cgi vfx "
        "ue5 ps monday tuesday wednesday thursday friday saturday sunday january february march april may june "
        "july august september october november december christmas easter halloween thanksgiving american "
        "british english french german italian spanish chinese japanese korean indian russian greek roman "
        "egyptian african asian european mexican dutch swedish victorian gothic renaissance baroque rococo art "
        "nouveau deco new york city times square los angeles san francisco las vegas united states kingdom "
        "america europe asia africa london paris tokyo japan china india germany france italy russia unreal "
        "engine octane render blender photoshop artstation deviantart pinterest instagram flickr behance "
        "cgsociety imax kodak nikon canon sony polaroid leica hasselblad studio digital photography photo "
        "portrait painting oil vogue magazine film noir world war street road avenue park bridge tower river "
        "lake mountain beach ocean north south east west coca cola frisbee wii nintendo xbox playstation apple "
        "macbook iphone dell tv uk us usa nyc la bmw honda toyota ford mercedes harley davidson stop sign golden "
        "retriever german shepherd"
    ).split()
)
