"""What the words and symbols of the page mean, by the place where they stand. Pure text."""

Terms = tuple[tuple[str, str], ...]

RECIPE: Terms = (
    ("θ, θ₀", "The weights of the merged model, and those of the base."),
    ("τᵢ, δ", "The task vector of an expert: its weights minus the base's. δ is one number of it."),
    ("mᵢ", "A mask: 1 where a change is kept, 0 where it is thrown away."),
    ("w", "The weight of an expert: how loud it is."),
    ("λ", "Strength: how far to move from the base along the merged change. 0 is the base."),
    ("d", "Density: the share of each expert's changes that is kept, the largest first."),
    (
        "p",
        "Drop rate: the chance that a change is thrown away. The rest is scaled up by 1/(1 − p), "
        "so that the sum stays the same on average.",
    ),
)

SECTIONS: dict[str, Terms] = {
    "scores": (
        (
            "Share of the own expert",
            "The accuracy of the merged model on a task, divided by the accuracy of the expert "
            "that was trained for it. 100 % is as good as that expert.",
        ),
        (
            "95 % interval",
            "Where the score would lie with other images of the same kind, in 95 of 100 cases. "
            "Scores whose intervals overlap widely may be equal.",
        ),
        ("Pinned", "A run that you keep in sight: its scores are the hollow rings."),
    ),
    "conflict": (
        ("Survive", "A change survives if trimming (density) or dropping (drop rate) keeps it."),
        (
            "Contested",
            "Of the weights that two or more experts still change, the share at which some go up "
            "and others down.",
        ),
        (
            "Only one survives",
            "The share of the changed weights that one expert alone changes: nobody disagrees.",
        ),
        ("Agree", "The share at which two or more experts change a weight, all the same way."),
        (
            "Coin toss",
            "How many signs would clash if each survivor's sign were drawn by a coin at these very "
            "places. Conflict at this level says nothing about the experts.",
        ),
        ("q, k, v, o", "Query, key, value and output of the attention; up and down: of the MLP."),
    ),
    "sizes": (
        ("|δ|", "The size of one change: how far an expert moved a weight, up or down alike."),
        ("Cut", "The size below which density trims changes away; each expert has its own."),
        (
            "Squared length",
            "The sum of all squared changes. A few large changes can carry most of it.",
        ),
        ("10⁻³", "0.001: each mark of the axis is ten times the one before."),
    ),
    "agreement": (
        (
            "Cosine",
            "How alike two task vectors point: 1 the same way, 0 at right angles, −1 opposite.",
        ),
        (
            "Sign agreement",
            "Where both keep a change, how often they go the same way. 50 % is a coin toss.",
        ),
        (
            "Directions used",
            "Effective rank: how many independent directions carry a change of a matrix. Few mean "
            "a simple change.",
        ),
        (
            "Shared directions",
            "How much of the main directions of two experts' changes lies in common.",
        ),
    ),
    "winners": (
        ("Contested", "Weights that two or more experts change in different directions."),
        ("Won", "The merged change has this expert's sign there; a share of 50 % is even."),
        ("Flip", "The merged change points the other way than with the pinned settings."),
    ),
    "whatif": (
        (
            "Images for choosing",
            "200 of each task, from the half of them that is for choosing (the tuning half). "
            "Whoever picks the best of many scores picks luck too, so that what is chosen is "
            "scored once more on the whole other half.",
        ),
        (
            "Simplest within noise",
            "Of the points that are not clearly worse than the best, the one with the fewest "
            "experts and settings, nearest to what the method begins with.",
        ),
        ("Own expert", "100 %: what the expert of each task alone can do on these images."),
        (
            "Greedy soup",
            "Lets experts into an average one by one as long as the images for choosing agree. It "
            "is a method of its own: choose it under “How to merge?”, among the averages.",
        ),
        (
            "Front",
            "Settings that no other beats: whoever does better on one score does worse on the "
            "other. With several tasks there is a choice between them, not one best setting.",
        ),
    ),
    "parts": (
        (
            "Put back",
            "In one part of the merged model, and only there, the weights of the base stand again. "
            "The merge itself is made once.",
        ),
        (
            "Points",
            "The score with the part put back minus the score of the whole merge, in % of what the "
            "own expert can do, on the same images. Above 0 the part as merged costs the task.",
        ),
        (
            "Beyond noise",
            "The 95 % interval of that difference leaves out 0. Of 20 parts that do nothing one "
            "would still look so. Parts act together: single gains do not add up.",
        ),
        ("q, k, v, o", "Query, key, value and output of the attention; up and down: of the MLP."),
    ),
    "map": (
        (
            "Plane",
            "All models base + a × one task vector + b × another. Its axes are at right angles and "
            "equally long, so that distances on the map are the true distances between weights.",
        ),
        (
            "Off the plane",
            "A model that uses other changes too stands above or below the plane. It is drawn "
            "where a perpendicular from it meets the plane; the colour there is not its score.",
        ),
        (
            "Standard error",
            "How far a score would typically move with other images. Each place is scored on at "
            "most 100 images a task, all from the half that is kept for choosing.",
        ),
        (
            "Barrier",
            "How much worse a path gets than the straight line between the heights of its two "
            "ends. Its noise is that of the worst of all steps, on the same images for all.",
        ),
        (
            "Convex hull, centroid",
            "All mixtures of experts whose shares are at least 0 and add up to one; the one with "
            "equal shares is the centroid.",
        ),
        (
            "Tree of changes",
            "The two nearest groups join first, at the mean of 1 − cosine over all their pairs.",
        ),
        ("Loss", "Cross-entropy: minus the logarithm of the chance given to the true class."),
    ),
    "dialects": (
        (
            "Dialect",
            "How a tool reads the same words: the paper, mergekit, peft and fusion_bench trim, "
            "elect, average and scale in ways that differ in detail.",
        ),
    ),
}
